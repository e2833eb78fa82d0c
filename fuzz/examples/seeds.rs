//! Writes every door's seeds to `fuzz/corpus/DOOR`, where libFuzzer starts from them.

use std::fs;
use std::path::Path;

fn main() -> std::io::Result<()> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus");
    for door in runnel_fuzz::DOORS {
        let folder = corpus.join(door.name);
        fs::create_dir_all(&folder)?;
        for (number, seed) in (door.seeds)().iter().enumerate() {
            fs::write(folder.join(format!("seed-{number:02}")), seed)?;
        }
    }
    Ok(())
}
