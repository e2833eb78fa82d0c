//! No file names a folder of the machine on which it was written.

use anyhow::Result;

use crate::run;

/// In two parts, so that this file is not its own first complaint.
const FOLDERS: [&str; 4] = [
    concat!("/ro", "ot/"),
    concat!("/ho", "me/"),
    concat!("/Us", "ers/"),
    concat!("/wo", "rk/"),
];

pub(super) fn complaints() -> Result<Vec<String>> {
    let files = run::output(&[
        "git",
        "ls-files",
        "--cached",
        "--others",
        "--exclude-standard",
    ])?;
    let root = crate::workspace::root();
    Ok(files
        .lines()
        .filter_map(|file| Some((file, std::fs::read_to_string(root.join(file)).ok()?)))
        .flat_map(|(file, text)| judge(file, &text))
        .collect())
}

fn judge(file: &str, text: &str) -> Vec<String> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| FOLDERS.iter().any(|folder| names_folder(line, folder)))
        .map(|(index, line)| {
            format!(
                "{file}:{}: names a machine's path: {}",
                index + 1,
                line.trim()
            )
        })
        .collect()
}

/// An absolute path starts after something that is no part of a longer path or of a URL.
fn names_folder(line: &str, folder: &str) -> bool {
    line.match_indices(folder).any(|(at, _)| {
        !line[..at].ends_with(|before: char| before.is_alphanumeric() || "._-}".contains(before))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absolute_path_is_found_with_its_line() {
        let text = format!("fine\nlet x = \"{}me/.cargo\";\n", concat!("/ro", "ot/"));
        let found = judge("a.rs", &text);
        assert_eq!(found.len(), 1);
        assert!(found[0].starts_with("a.rs:2:"), "{}", found[0]);
    }

    #[test]
    fn a_url_that_merely_contains_such_a_folder_is_fine() {
        let text = format!("https://example.org{}x", concat!("/wo", "rk/"));
        assert_eq!(judge("a.md", &text), Vec::<String>::new());
    }
}
