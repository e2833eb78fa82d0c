//! I2: no peer passes on a byte that is not what was attested.

use crate::run::Run;

pub fn check(run: &Run) -> Result<(), String> {
    match run.world.unverified.first() {
        Some((at, segment, index)) => Err(format!("{at:?} sent chunk {index} of {segment:?}")),
        None => Ok(()),
    }
}
