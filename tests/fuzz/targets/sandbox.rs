//! What clients and scripts say to the sandbox.

use std::{
    io::{Read as _, Write as _},
    net::{Shutdown, TcpStream},
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use albumen::sandbox::{Options, Sandbox};
use tokio::sync::oneshot;

use super::files::runtime;
use crate::runner::Target;

/// How long an answer is waited for: a request may ask for more than it sends, and a script may say
/// that nothing ever comes.
const WAIT: Duration = Duration::from_millis(250);

/// So many requests meet the same sandbox, with whatever they have made of it.
const LIFE: u32 = 500;

async fn sandbox() -> Sandbox {
    let listen = ([127, 0, 0, 1], 0).into();
    let options = Options {
        listen,
        data_dir: None,
    };
    Sandbox::start(options).await.unwrap()
}

/// Any bytes on a connection.
pub(crate) fn requests() -> Target {
    let runtime = runtime();
    let mut present: Option<Sandbox> = None;
    let mut age = 0;
    Target::new(move |input| {
        age += 1;
        if age > LIFE
            && let Some(old) = present.take()
        {
            runtime.block_on(old.stop());
            age = 0;
        }
        let sandbox = present.get_or_insert_with(|| runtime.block_on(sandbox()));
        let address = sandbox.address();
        let bytes = input.to_vec();
        let answer: Arc<Mutex<Vec<u8>>> = Arc::default();
        let heard = Arc::clone(&answer);
        let (done, is_done) = oneshot::channel();
        let visitor = thread::spawn(move || {
            if let Ok(mut stream) = TcpStream::connect(address) {
                let _ = stream.set_read_timeout(Some(WAIT));
                let _ = stream.set_write_timeout(Some(WAIT));
                let _ = stream.write_all(&bytes);
                let _ = stream.shutdown(Shutdown::Write);
                let mut answer = heard.lock().unwrap();
                let _ = stream.take(1 << 20).read_to_end(&mut answer);
            }
            let _ = done.send(());
        });
        // The sandbox works on this thread, and only while this waits.
        let _ = runtime.block_on(is_done);
        visitor.join().unwrap();
        let answer = String::from_utf8_lossy(&answer.lock().unwrap()).into_owned();
        assert!(!answer.contains("this is its fault"), "{answer}");
        let status = answer.lines().next().unwrap_or_default().to_owned();
        let reason = answer.lines().find(|line| line.contains("\"status\""));
        if input.windows(15).any(|word| word == b"/sandbox/faults") {
            // A script may hold everything up that comes after it.
            age = LIFE;
        }
        format!(
            "{status} {} {}",
            reason.unwrap_or_default(),
            answer.len().checked_ilog2().unwrap_or(0)
        )
    })
}

/// Scripts of faults, settings and commands, and then a look at what they did.
pub(crate) fn scripts() -> Target {
    let runtime = runtime();
    Target::new(move |input| {
        let Ok(script) = serde_json::from_slice(input) else {
            return "no JSON".to_owned();
        };
        runtime.block_on(async {
            let sandbox = sandbox().await;
            let end = match sandbox.run_script(&script) {
                Ok(present) => format!("{} keys", present.to_string().len().ilog2()),
                Err(sentence) => super::end(&sentence),
            };
            sandbox.stop().await;
            end
        })
    })
}
