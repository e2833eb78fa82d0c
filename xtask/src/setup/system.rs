//! Programs from the system's package manager: the browser, its driver, ffmpeg, what makes networks.

use anyhow::{Result, bail};

use crate::run;
use crate::workspace::has_program;

/// A program under any of its names, and the package that brings it.
struct Wanted {
    names: &'static [&'static str],
    debian: &'static str,
    ubuntu: &'static str,
}

const WANTED: [Wanted; 4] = [
    Wanted {
        names: &["chromium", "chromium-browser", "google-chrome"],
        debian: "chromium",
        ubuntu: "chromium-browser",
    },
    Wanted {
        names: &["chromedriver"],
        debian: "chromium-driver",
        ubuntu: "chromium-chromedriver",
    },
    Wanted {
        names: &["ffmpeg"],
        debian: "ffmpeg",
        ubuntu: "ffmpeg",
    },
    Wanted {
        names: &["ip"],
        debian: "iproute2",
        ubuntu: "iproute2",
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
        .filter(|wanted| !wanted.names.iter().any(|name| has_program(name)))
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
