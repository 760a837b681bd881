//! Whether anything was mounted or unmounted: the system says so to whoever holds its table open. A
//! thread listens; elsewhere than on Linux nobody tells.

use std::{fs::File, os::unix::net::UnixStream, sync::Arc, thread};

use rustix::{
    event::{PollFd, PollFlags, poll},
    io::Errno,
};
use tokio::sync::Notify;

/// The table of mounts of this process.
const TABLE: &str = "/proc/self/mountinfo";

/// Hears of changes of the table of mounts; dropping it ends its thread.
#[derive(Debug)]
pub struct MountTable {
    changed: Arc<Notify>,
    /// Its other end is the thread's, which ends when this is closed.
    _open: Option<UnixStream>,
}

impl MountTable {
    /// Begins to listen. Where the system has no such table, no change is ever heard of.
    pub fn open() -> Self {
        let changed = Arc::new(Notify::new());
        let heard = Arc::clone(&changed);
        let open = File::open(TABLE).and_then(|table| {
            let (open, end) = UnixStream::pair()?;
            thread::Builder::new()
                .name("mounts".to_owned())
                .spawn(move || listen(&table, &end, &heard))?;
            Ok(open)
        });
        Self {
            changed,
            _open: open.ok(),
        }
    }

    /// Waits for the next change. None is missed between two waits.
    pub async fn changed(&self) {
        self.changed.notified().await;
    }
}

fn listen(table: &File, end: &UnixStream, heard: &Notify) {
    loop {
        // A change is an exceptional condition, told once: proc_pid_mountinfo(5).
        let mut asked = [
            PollFd::new(table, PollFlags::PRI),
            PollFd::new(end, PollFlags::IN),
        ];
        match poll(&mut asked, None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(_) => return,
        }
        let [table, end] = asked.map(|asked| asked.revents());
        if !end.is_empty() {
            return;
        }
        if table.intersects(PollFlags::PRI | PollFlags::ERR) {
            heard.notify_one();
        }
    }
}
