//! The data folder: uploaded bytes, streamed to a file, hashed on the way and stored under their hash;
//! and the state as JSON.
//!
//! There is no fsync: a power failure may lose the newest bytes. The next piece is received while the
//! last one is written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::media_type::{self, Media};

/// Bytes collected before they are written; a smaller body is written once, at its end.
const PIECE: usize = 256 << 10;

const STATE: &str = "state.json";

/// The folder of all bytes.
#[derive(Debug)]
pub(crate) struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Opens the folder; creates it if it is missing.
    pub(crate) fn open(root: &Path) -> io::Result<Self> {
        for part in ["blobs", "incoming"] {
            private_dir().create(root.join(part))?;
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// The file of the bytes with this hash.
    pub(crate) fn path(&self, sha256: &str) -> PathBuf {
        self.root
            .join("blobs")
            .join(sha256.get(..2).unwrap_or("00"))
            .join(sha256)
    }

    fn incoming(&self, name: &str) -> PathBuf {
        self.root.join("incoming").join(name)
    }

    /// Begins a new file.
    pub(crate) fn begin(&self, name: &str) -> IncomingFile {
        IncomingFile::new(Disk {
            path: self.incoming(name),
            file: None,
            hash: Sha256::new(),
            written: 0,
        })
    }

    /// Continues a file that an earlier process began.
    pub(crate) async fn resume(&self, name: &str) -> io::Result<IncomingFile> {
        let path = self.incoming(name);
        spawn_blocking(move || Disk::reopen(path).map(IncomingFile::new))
            .await
            .map_err(io::Error::other)?
    }

    /// Removes partial files of an earlier process that cannot be resumed.
    pub(crate) fn remove_partial(&self, is_resumable: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("incoming"))? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().filter(|name| !is_resumable(name)) {
                self.discard(name);
            }
        }
        Ok(())
    }

    /// Removes the partial file of this name.
    pub(crate) fn discard(&self, name: &str) {
        let _ = fs::remove_file(self.incoming(name));
    }

    /// Stores a finished file under its hash.
    pub(crate) async fn keep(&self, incoming_file: IncomingFile) -> io::Result<StoredFile> {
        let root = self.root.join("blobs");
        let (disk, rest) = incoming_file.into_parts().await?;
        spawn_blocking(move || disk.keep(&root, &rest))
            .await
            .map_err(io::Error::other)?
    }
}

/// Reads the state that an earlier sandbox stored in the folder, if there is one.
pub(crate) fn load<T: DeserializeOwned>(dir: &Path) -> io::Result<Option<T>> {
    match fs::read(dir.join(STATE)) {
        Ok(text) => Ok(Some(serde_json::from_slice(&text)?)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores the state, whole or not at all.
pub(crate) fn save(dir: &Path, state: &[u8]) -> io::Result<()> {
    let new = dir.join("state.json.new");
    fs::write(&new, state)?;
    fs::rename(new, dir.join(STATE))
}

/// Creates folders that only this user can read.
fn private_dir() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// A stored file.
#[derive(Debug)]
pub(crate) struct StoredFile {
    pub(crate) sha256: String,
    pub(crate) size: u64,
    pub(crate) media: Option<Media>,
}

/// A file that is being received.
#[derive(Debug)]
pub(crate) struct IncomingFile {
    buffer: Vec<u8>,
    disk: DiskState,
}

#[derive(Debug)]
enum DiskState {
    Idle(Disk),
    Writing(JoinHandle<io::Result<Disk>>),
    /// A write failed; the content on disk is unknown.
    Broken,
}

impl IncomingFile {
    fn new(disk: Disk) -> Self {
        Self {
            buffer: Vec::new(),
            disk: DiskState::Idle(disk),
        }
    }

    /// Appends bytes.
    pub(crate) async fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            let mut disk = self.idle().await?;
            // More of the same size is likely to follow.
            let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(2 * PIECE));
            self.disk =
                DiskState::Writing(spawn_blocking(move || disk.write(&piece).map(|()| disk)));
        }
        Ok(())
    }

    /// Writes all bytes that were received, and returns their number.
    pub(crate) async fn flush(&mut self) -> io::Result<u64> {
        let mut disk = self.idle().await?;
        let rest = std::mem::take(&mut self.buffer);
        if !rest.is_empty() {
            self.disk =
                DiskState::Writing(spawn_blocking(move || disk.write(&rest).map(|()| disk)));
            disk = self.idle().await?;
        }
        let written = disk.written;
        self.disk = DiskState::Idle(disk);
        Ok(written)
    }

    async fn idle(&mut self) -> io::Result<Disk> {
        match std::mem::replace(&mut self.disk, DiskState::Broken) {
            DiskState::Idle(disk) => Ok(disk),
            DiskState::Writing(task) => task.await.map_err(io::Error::other)?,
            DiskState::Broken => Err(io::Error::other("an earlier write failed")),
        }
    }

    async fn into_parts(mut self) -> io::Result<(Disk, Vec<u8>)> {
        let disk = self.idle().await?;
        Ok((disk, self.buffer))
    }
}

#[derive(Debug)]
struct Disk {
    path: PathBuf,
    file: Option<File>,
    hash: Sha256,
    written: u64,
}

impl Disk {
    fn reopen(path: PathBuf) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .open(&path)?;
        let mut hash = Sha256::new();
        let mut written = 0;
        let mut piece = vec![0; PIECE];
        loop {
            let n = file.read(&mut piece)?;
            if n == 0 {
                break;
            }
            hash.update(&piece[..n]);
            written += n as u64;
        }
        Ok(Self {
            path,
            file: Some(file),
            hash,
            written,
        })
    }

    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        self.hash.update(piece);
        if self.file.is_none() {
            self.file = Some(File::create(&self.path)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(piece)?;
        }
        self.written += piece.len() as u64;
        Ok(())
    }

    fn keep(mut self, root: &Path, rest: &[u8]) -> io::Result<StoredFile> {
        if !rest.is_empty() {
            self.write(rest)?;
        }
        let sha256 = hex(&self.hash.finalize());
        let folder = root.join(&sha256[..2]);
        let stored = folder.join(&sha256);
        if stored.exists() {
            let _ = fs::remove_file(&self.path);
        } else {
            fs::create_dir_all(&folder)?;
            fs::rename(&self.path, &stored)?;
        }
        Ok(StoredFile {
            media: media_type::read_media(&stored)?,
            sha256,
            size: self.written,
        })
    }
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_is_the_same_whether_it_came_at_once_or_was_resumed_by_another_process() {
        let dir = tempfile::tempdir().unwrap();
        let blobs = Blobs::open(dir.path()).unwrap();
        let bytes: Vec<u8> = (0..600_000_u32).map(|n| n.to_le_bytes()[1]).collect();
        let mut whole = blobs.begin("a");
        whole.push(&bytes).await.unwrap();
        let whole = blobs.keep(whole).await.unwrap();

        let mut first = blobs.begin("b");
        first.push(&bytes[..300_001]).await.unwrap();
        assert_eq!(first.flush().await.unwrap(), 300_001);
        drop(first);
        let mut second = blobs.resume("b").await.unwrap();
        assert_eq!(second.flush().await.unwrap(), 300_001);
        second.push(&bytes[300_001..]).await.unwrap();
        let second = blobs.keep(second).await.unwrap();

        assert_eq!(whole.sha256, second.sha256);
        assert_eq!(second.size, 600_000);
        assert_eq!(fs::read(blobs.path(&whole.sha256)).unwrap(), bytes);
    }
}
