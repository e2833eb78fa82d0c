//! Chunks in files. Names are made of hexadecimal digits of hashes and of nothing else, so no
//! name that anybody sends can lead out of the directory (T18).
//!
//! ```text
//! ab/abcdef….media   sparse: each chunk where the segment has it
//! ab/abcdef….proofs  slot i at i × 321: number of steps, then 32 bytes each
//! ```

use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use runnel_protocol::ids::Root;
use runnel_protocol::proof::{MAX_PROOF, ProvenChunk};
use runnel_protocol::segment::{ByteRange, chunk_range};
use rustix::buffer::spare_capacity;
use rustix::io::{Errno, pread};

const STEP: usize = 32;
const SLOT: usize = 1 + MAX_PROOF * STEP;
const MEDIA: &str = "media";
const PROOFS: &str = "proofs";

/// Both files of the segment that was used last: chunks come in order.
#[derive(Debug)]
struct Opened {
    root: Root,
    media: File,
    proofs: File,
}

/// The files of all segments.
#[derive(Debug)]
pub(super) struct Files {
    directory: PathBuf,
    opened: Option<Opened>,
}

impl Files {
    pub(super) fn open(directory: &Path) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        Ok(Self {
            directory: directory.to_owned(),
            opened: None,
        })
    }

    /// Writes a chunk of a segment of `length` bytes and its proof in their places.
    pub(super) fn write(
        &mut self,
        root: &Root,
        length: u64,
        chunk: &ProvenChunk,
    ) -> io::Result<()> {
        let slot = slot(chunk)?;
        let beyond = || io::Error::new(ErrorKind::InvalidInput, "a chunk beyond the segment's end");
        let range = chunk_range(length, chunk.index).ok_or_else(beyond)?;
        let opened = self.select(root, true)?;
        opened
            .proofs
            .write_all_at(&slot, slot_offset(chunk.index))?;
        opened.media.write_all_at(&chunk.data, range.offset)
    }

    /// Reads chunk `index` of a segment of `length` bytes; `None` if it is not all there.
    pub(super) fn read(
        &mut self,
        root: &Root,
        length: u64,
        index: u32,
    ) -> io::Result<Option<ProvenChunk>> {
        let Some(range) = chunk_range(length, index) else {
            return Ok(None);
        };
        missing_is_none(self.select(root, false).and_then(|opened| {
            let mut slot = [0; SLOT];
            opened.proofs.read_exact_at(&mut slot, slot_offset(index))?;
            Ok(ProvenChunk {
                index,
                proof: proof(&slot),
                data: part(&opened.media, range)?.into(),
            })
        }))
    }

    /// Deletes a segment.
    pub(super) fn delete(&mut self, root: &Root) -> io::Result<()> {
        self.opened.take_if(|opened| opened.root == *root);
        for kind in [MEDIA, PROOFS] {
            missing_is_none(fs::remove_file(self.path(root, kind)))?;
        }
        Ok(())
    }

    /// Deletes every file that is not of a root to be kept.
    pub(super) fn retain(&mut self, keep: impl Fn(&Root) -> bool) -> io::Result<()> {
        for shelf in fs::read_dir(&self.directory)? {
            let shelf = shelf?.path();
            if !shelf.is_dir() {
                continue;
            }
            for file in fs::read_dir(&shelf)? {
                let file = file?.path();
                let root = file.file_stem().and_then(|stem| stem.to_str());
                let known = root.and_then(|text| text.parse().ok());
                if !known.is_some_and(|root| keep(&root)) {
                    fs::remove_file(&file)?;
                }
            }
        }
        Ok(())
    }

    fn path(&self, root: &Root, kind: &str) -> PathBuf {
        let name = root.to_string();
        let (shelf, _) = name.split_at(2);
        self.directory.join(shelf).join(format!("{name}.{kind}"))
    }

    fn select(&mut self, root: &Root, create: bool) -> io::Result<&Opened> {
        let opened = match self.opened.take() {
            Some(opened) if opened.root == *root => opened,
            Some(_) | None => Opened {
                root: *root,
                media: open(&self.path(root, MEDIA), create)?,
                proofs: open(&self.path(root, PROOFS), create)?,
            },
        };
        Ok(self.opened.insert(opened))
    }
}

fn open(path: &Path, create: bool) -> io::Result<File> {
    if let (true, Some(shelf)) = (create, path.parent()) {
        fs::create_dir_all(shelf)?;
    }
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).open(path)
}

/// Bytes of a file. What they replace is not zeroed first: that would cost as much as copying them.
fn part(file: &File, ByteRange { offset, length }: ByteRange) -> io::Result<Vec<u8>> {
    let length = usize::try_from(length).map_err(io::Error::other)?;
    let mut data = Vec::with_capacity(length);
    while data.len() < length {
        let at = offset + data.len() as u64;
        match pread(file, spare_capacity(&mut data), at) {
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
    }
    data.truncate(length);
    Ok(data)
}

fn slot_offset(index: u32) -> u64 {
    u64::from(index) * SLOT as u64
}

fn slot(chunk: &ProvenChunk) -> io::Result<[u8; SLOT]> {
    let steps = u8::try_from(chunk.proof.len()).map_err(io::Error::other)?;
    let mut slot = [0; SLOT];
    let (count, places) = slot.split_at_mut(1);
    count[0] = steps;
    for (place, step) in places.chunks_exact_mut(STEP).zip(&chunk.proof) {
        place.copy_from_slice(step);
    }
    Ok(slot)
}

fn proof(slot: &[u8; SLOT]) -> Vec<[u8; STEP]> {
    let (count, places) = slot.split_at(1);
    let steps = usize::from(count[0]).min(MAX_PROOF);
    places.as_chunks::<STEP>().0[..steps].to_vec()
}

fn missing_is_none<T>(outcome: io::Result<T>) -> io::Result<Option<T>> {
    match outcome {
        Ok(value) => Ok(Some(value)),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::UnexpectedEof) => {
            Ok(None)
        }
        Err(error) => Err(error),
    }
}
