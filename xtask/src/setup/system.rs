//! What comes from the system's package manager: the browsers, Chromium's driver, ffmpeg, what makes networks, what the
//! guides' programs use.

use anyhow::{Result, bail};

use crate::run;
use crate::workspace::has_program;

/// Something that tests use, and the package that brings it.
struct Wanted {
    what: What,
    debian: &'static str,
    ubuntu: &'static str,
}

enum What {
    /// A program, under any of its names.
    Program(&'static [&'static str]),
    /// A module of the Python that `python3` starts.
    PythonModule(&'static str),
}

impl What {
    fn is_there(&self) -> bool {
        match self {
            Self::Program(names) => names.iter().any(|name| has_program(name)),
            Self::PythonModule(name) => {
                run::succeeds(&["python3", "-c", &format!("import {name}")])
            }
        }
    }
}

const WANTED: [Wanted; 8] = [
    Wanted {
        what: What::Program(&["chromium", "chromium-browser", "google-chrome"]),
        debian: "chromium",
        ubuntu: "chromium-browser",
    },
    Wanted {
        what: What::Program(&["chromedriver"]),
        debian: "chromium-driver",
        ubuntu: "chromium-chromedriver",
    },
    Wanted {
        what: What::Program(&["firefox", "firefox-esr"]),
        debian: "firefox-esr",
        ubuntu: "firefox",
    },
    Wanted {
        what: What::Program(&["ffmpeg"]),
        debian: "ffmpeg",
        ubuntu: "ffmpeg",
    },
    Wanted {
        what: What::Program(&["ip"]),
        debian: "iproute2",
        ubuntu: "iproute2",
    },
    Wanted {
        what: What::Program(&["nft"]),
        debian: "nftables",
        ubuntu: "nftables",
    },
    // The daemon alone: what starts it on a machine is another package, `miniupnpd`.
    Wanted {
        what: What::Program(&["miniupnpd"]),
        debian: "miniupnpd-nftables",
        ubuntu: "miniupnpd-nftables",
    },
    Wanted {
        what: What::PythonModule("cryptography"),
        debian: "python3-cryptography",
        ubuntu: "python3-cryptography",
    },
];

pub(super) fn install() -> Result<()> {
    let packages = missing_packages();
    if packages.is_empty() {
        return Ok(());
    }
    let install = ["apt-get", "install", "-y", "--no-install-recommends"];
    let by_hand = format!("sudo {} {}", install.join(" "), packages.join(" "));
    let Some(rights) = rights_to_install() else {
        bail!("missing packages; install them with:\n    {by_hand}");
    };
    let quiet = ["env", "DEBIAN_FRONTEND=noninteractive"];
    run::run(&[rights, &["apt-get", "update"]].concat())?;
    run::run(&[rights, &quiet, &install, &packages].concat())
}

fn missing_packages() -> Vec<&'static str> {
    let ubuntu = std::fs::read_to_string("/etc/os-release")
        .is_ok_and(|release| release.lines().any(|line| line == "ID=ubuntu"));
    WANTED
        .iter()
        .filter(|wanted| !wanted.what.is_there())
        .map(|wanted| if ubuntu { wanted.ubuntu } else { wanted.debian })
        .collect()
}

/// What to put before `apt-get`: nothing for root, `sudo` where it asks no password.
fn rights_to_install() -> Option<&'static [&'static str]> {
    if !has_program("apt-get") {
        return None;
    }
    if run::output(&["id", "-u"]).is_ok_and(|id| id.trim() == "0") {
        return Some(&[]);
    }
    run::succeeds(&["sudo", "-n", "true"]).then_some(&["sudo", "-n"])
}
