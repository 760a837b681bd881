//! Where uploaded bytes go: streamed to a file, hashed on the way, kept under their hash.
//!
//! Nothing is forced to the disk: the sandbox may be fast, and a machine that loses power loses the
//! newest bytes of a stand-in. The next piece is received while the last one is written.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Read, Write},
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};
use tokio::task::{JoinHandle, spawn_blocking};

use super::media::{self, Media};

/// Bytes gathered before they are written; smaller bodies are written in one go at their end.
const PIECE: usize = 256 << 10;

/// The folder of all bytes.
#[derive(Debug)]
pub(super) struct Blobs {
    root: PathBuf,
}

impl Blobs {
    /// Opens the folder, and makes it if need be.
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        for part in ["blobs", "incoming"] {
            private_dir().create(root.join(part))?;
        }
        Ok(Self {
            root: root.to_owned(),
        })
    }

    /// Where the bytes with this hash are.
    pub(super) fn path(&self, sha256: &str) -> PathBuf {
        self.root
            .join("blobs")
            .join(sha256.get(..2).unwrap_or("00"))
            .join(sha256)
    }

    fn incoming(&self, name: &str) -> PathBuf {
        self.root.join("incoming").join(name)
    }

    /// Begins a file that nothing has been received of.
    pub(super) fn begin(&self, name: &str) -> Intake {
        Intake::new(Disk {
            path: self.incoming(name),
            file: None,
            hash: Sha256::new(),
            written: 0,
        })
    }

    /// Goes on with a file that an earlier process had begun.
    pub(super) async fn resume(&self, name: &str) -> io::Result<Intake> {
        let path = self.incoming(name);
        spawn_blocking(move || Disk::reopen(path).map(Intake::new))
            .await
            .map_err(io::Error::other)?
    }

    /// Removes what an earlier process had begun to receive, if nobody can go on with it.
    pub(super) fn tidy(&self, is_wanted: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(self.root.join("incoming"))? {
            let name = entry?.file_name();
            if let Some(name) = name.to_str().filter(|name| !is_wanted(name)) {
                self.forget(name);
            }
        }
        Ok(())
    }

    /// Forgets what was received under this name.
    pub(super) fn forget(&self, name: &str) {
        let _ = fs::remove_file(self.incoming(name));
    }

    /// Keeps a finished file under its hash.
    pub(super) async fn keep(&self, intake: Intake) -> io::Result<Stored> {
        let root = self.root.join("blobs");
        let (disk, rest) = intake.into_parts().await?;
        spawn_blocking(move || disk.keep(&root, &rest))
            .await
            .map_err(io::Error::other)?
    }
}

/// Makes folders that others cannot look into: what is uploaded is private.
fn private_dir() -> fs::DirBuilder {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder
}

/// Bytes that are here to stay.
#[derive(Debug)]
pub(super) struct Stored {
    pub(super) sha256: String,
    pub(super) size: u64,
    pub(super) media: Option<Media>,
}

/// A file that is being received.
#[derive(Debug)]
pub(super) struct Intake {
    buffer: Vec<u8>,
    disk: Slot,
}

#[derive(Debug)]
enum Slot {
    Idle(Disk),
    Writing(JoinHandle<io::Result<Disk>>),
    /// A write failed; what is on the disk is not known.
    Broken,
}

impl Intake {
    fn new(disk: Disk) -> Self {
        Self {
            buffer: Vec::new(),
            disk: Slot::Idle(disk),
        }
    }

    /// Takes more bytes.
    pub(super) async fn push(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= PIECE {
            let mut disk = self.idle().await?;
            // Whoever sends so much sends more: the next piece gets its room at once.
            let piece = std::mem::replace(&mut self.buffer, Vec::with_capacity(2 * PIECE));
            self.disk = Slot::Writing(spawn_blocking(move || disk.write(&piece).map(|()| disk)));
        }
        Ok(())
    }

    /// How many bytes have been received, once all of them are written.
    pub(super) async fn settle(&mut self) -> io::Result<u64> {
        let mut disk = self.idle().await?;
        let rest = std::mem::take(&mut self.buffer);
        if !rest.is_empty() {
            self.disk = Slot::Writing(spawn_blocking(move || disk.write(&rest).map(|()| disk)));
            disk = self.idle().await?;
        }
        let written = disk.written;
        self.disk = Slot::Idle(disk);
        Ok(written)
    }

    async fn idle(&mut self) -> io::Result<Disk> {
        match std::mem::replace(&mut self.disk, Slot::Broken) {
            Slot::Idle(disk) => Ok(disk),
            Slot::Writing(task) => task.await.map_err(io::Error::other)?,
            Slot::Broken => Err(io::Error::other("an earlier write failed")),
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

    fn keep(mut self, root: &Path, rest: &[u8]) -> io::Result<Stored> {
        if !rest.is_empty() {
            self.write(rest)?;
        }
        let sha256 = hex(&self.hash.finalize());
        let folder = root.join(&sha256[..2]);
        let home = folder.join(&sha256);
        if home.exists() {
            let _ = fs::remove_file(&self.path);
        } else {
            fs::create_dir_all(&folder)?;
            fs::rename(&self.path, &home)?;
        }
        Ok(Stored {
            media: media::look_at(&home)?,
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
        assert_eq!(first.settle().await.unwrap(), 300_001);
        drop(first);
        let mut second = blobs.resume("b").await.unwrap();
        assert_eq!(second.settle().await.unwrap(), 300_001);
        second.push(&bytes[300_001..]).await.unwrap();
        let second = blobs.keep(second).await.unwrap();

        assert_eq!(whole.sha256, second.sha256);
        assert_eq!(second.size, 600_000);
        assert_eq!(fs::read(blobs.path(&whole.sha256)).unwrap(), bytes);
    }
}
