/** Dark or light: as the system says, until the viewer says otherwise. */

import { html } from "../dom";

const STORED = "runnel.theme";
type Theme = "dark" | "light";

/** `asked`: from the address, for screenshots and displays. */
export function offerThemes(button: HTMLButtonElement, asked: string | null): void {
  let theme = read(asked) ?? read(localStorage.getItem(STORED));
  const show = () => {
    if (theme) document.documentElement.dataset["theme"] = theme;
    const next = opposite(theme ?? system());
    button.replaceChildren(html("i", { class: "lamp", "aria-hidden": "true" }), next === "dark" ? "Dark" : "Light");
    button.setAttribute("aria-label", `Switch to ${next} colours`);
  };
  button.addEventListener("click", () => {
    theme = opposite(theme ?? system());
    localStorage.setItem(STORED, theme);
    show();
  });
  darkness().addEventListener("change", show);
  show();
}

function read(text: string | null): Theme | null {
  return text === "dark" || text === "light" ? text : null;
}

function opposite(theme: Theme): Theme {
  return theme === "dark" ? "light" : "dark";
}

function system(): Theme {
  return darkness().matches ? "dark" : "light";
}

function darkness(): MediaQueryList {
  return matchMedia("(prefers-color-scheme: dark)");
}
