//! Runs a target: the kept seeds first, then changes of them until the time is over.

use std::{
    cell::RefCell,
    collections::HashSet,
    fs,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, Once, PoisonError},
    time::{Duration, Instant},
};

use fastrand::Rng;

use crate::mutate;

/// An input that takes longer fails the target, if it is the work and not the wait: a machine that is
/// busy with other things makes everything slow.
const MOST_TIME: Duration = Duration::from_secs(2);

/// An input that takes longer never ends; nothing can be done but to end the process.
const FOR_EVER: Duration = Duration::from_mins(1);

/// Where the short run starts its chance; any number will do.
const SHORT_RUN: u64 = 2024;

/// The most inputs that are kept to be changed further.
const MOST_KEPT: usize = 4_000;

/// A function of bytes. It says how it ended, in words that are the same for what ended alike.
type Function = Box<dyn FnMut(&[u8]) -> String>;

/// A function that must end, in time and without a panic, whatever it is given.
pub(crate) struct Target {
    /// The function.
    pub(crate) run: Function,
    /// More inputs to begin with, beside the kept seeds.
    pub(crate) seeds: Vec<Vec<u8>>,
    /// Whether a panic that does not come out is as it should be: some parsers of others do panic,
    /// and are caught where they are called.
    pub(crate) may_catch: bool,
}

impl Target {
    pub(crate) fn new(run: impl FnMut(&[u8]) -> String + 'static) -> Self {
        Self {
            run: Box::new(run),
            seeds: Vec::new(),
            may_catch: false,
        }
    }
}

thread_local! {
    /// The panics of this thread, tasks that ended in one included.
    static PANICS: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
    static IS_TARGET: RefCell<bool> = const { RefCell::new(false) };
}

/// The panics of threads that work for a target: the store's writer, the pool of blocking calls.
static ELSEWHERE: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Listens to all panics of the process; those that no target is to blame for are shown as ever.
fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            if IS_TARGET.with_borrow(|is| *is) {
                PANICS.with_borrow_mut(|panics| panics.push(info.to_string()));
            } else {
                let mut elsewhere = ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner);
                elsewhere.push(info.to_string());
                drop(elsewhere);
                usual(info);
            }
        }));
    });
}

/// What is being tried, for the watcher.
#[derive(Default)]
struct Present {
    input: Vec<u8>,
    since: Option<Instant>,
}

struct Run<'a> {
    name: &'static str,
    target: &'a mut Target,
    present: Arc<Mutex<Present>>,
    slowest: Duration,
    tried: u64,
}

/// Runs `target`; panics with the input if it fails.
pub(crate) fn run(name: &'static str, target: &mut Target) {
    listen();
    let seconds = std::env::var("ALBUMEN_FUZZ_SECONDS").ok();
    let long = seconds.as_deref().map(|text| text.parse().unwrap());
    let mut chance = match long {
        Some(_) => Rng::new(),
        None => Rng::with_seed(SHORT_RUN),
    };
    let mut seeds = std::mem::take(&mut target.seeds);
    seeds.extend(kept(name));
    assert!(!seeds.is_empty(), "{name} has no seed");
    let mut run = Run {
        name,
        target,
        present: Arc::default(),
        slowest: Duration::ZERO,
        tried: 0,
    };
    watch(name, Arc::clone(&run.present));
    IS_TARGET.set(true);
    let mut ends = HashSet::new();
    for seed in &seeds {
        ends.insert(run.attempt(seed));
    }
    let began = Instant::now();
    let until = began + Duration::from_secs_f64(long.unwrap_or(1.0));
    let mut told = began;
    while Instant::now() < until {
        let parent = &seeds[chance.usize(0..seeds.len())];
        let input = mutate::changed(parent, &seeds, &mut chance);
        if ends.insert(run.attempt(&input)) && seeds.len() < MOST_KEPT {
            seeds.push(input);
        }
        if told.elapsed() > Duration::from_mins(1) {
            told = Instant::now();
            run.tell(&seeds, &ends, began);
        }
    }
    run.tell(&seeds, &ends, began);
    IS_TARGET.set(false);
    run.present().since = None;
}

impl Run<'_> {
    fn present(&self) -> std::sync::MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How the target ends; in time and without a panic, or the test fails here.
    fn attempt(&mut self, input: &[u8]) -> String {
        let (mut end, mut took) = self.once(input);
        if took > MOST_TIME {
            let before = worked();
            let (again, took_again) = self.once(input);
            let worked = worked()
                .zip(before)
                .map(|(after, before)| after.saturating_sub(before));
            (end, took) = (again, worked.unwrap_or(took_again));
        }
        self.slowest = self.slowest.max(took);
        if took > MOST_TIME {
            self.fail(input, &format!("it took {took:?}"));
        }
        end
    }

    fn once(&mut self, input: &[u8]) -> (String, Duration) {
        self.tried += 1;
        let began = Instant::now();
        {
            let mut present = self.present();
            present.input.clear();
            present.input.extend_from_slice(input);
            present.since = Some(began);
        }
        let run = &mut self.target.run;
        let end = panic::catch_unwind(AssertUnwindSafe(|| run(input)));
        let took = began.elapsed();
        let mut panics = PANICS.take();
        if end.is_ok() && self.target.may_catch {
            panics.clear();
        }
        panics.append(&mut ELSEWHERE.lock().unwrap_or_else(PoisonError::into_inner));
        match end {
            Ok(end) if panics.is_empty() => (end, took),
            _ => self.fail(input, &panics.join("\n")),
        }
    }

    fn fail(&self, input: &[u8], why: &str) -> ! {
        let file = save(self.name, input);
        self.present().since = None;
        let said = format!(
            "{}: {why}\nafter {} inputs, with {}:\n{}",
            self.name,
            self.tried,
            file.display(),
            input.escape_ascii(),
        );
        eprintln!("{said}");
        // Not through the hook, which would blame the other targets.
        panic::resume_unwind(Box::new(said));
    }

    fn tell(&self, seeds: &[Vec<u8>], ends: &HashSet<String>, began: Instant) {
        eprintln!(
            "{}: {} inputs in {:.0?}, {} ends, {} kept, the slowest took {:.1?}",
            self.name,
            self.tried,
            began.elapsed(),
            ends.len(),
            seeds.len(),
            self.slowest,
        );
    }
}

/// How long this thread has worked, where the system tells.
fn worked() -> Option<Duration> {
    let told = fs::read_to_string("/proc/thread-self/schedstat").ok()?;
    let nanos = told.split(' ').next()?.parse().ok()?;
    Some(Duration::from_nanos(nanos))
}

/// Ends the process when an input does not end by itself.
fn watch(name: &'static str, present: Arc<Mutex<Present>>) {
    let weak = Arc::downgrade(&present);
    drop(present);
    std::thread::spawn(move || {
        while let Some(present) = weak.upgrade() {
            let present = present.lock().unwrap_or_else(PoisonError::into_inner);
            if present
                .since
                .is_some_and(|since| since.elapsed() > FOR_EVER)
            {
                let file = save(name, &present.input);
                eprintln!("{name}: {} does not end", file.display());
                std::process::abort();
            }
            drop(present);
            std::thread::sleep(Duration::from_secs(1));
        }
    });
}

/// The seeds of the repository, by name.
fn kept(name: &str) -> Vec<Vec<u8>> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("fuzz/seeds")
        .join(name);
    let Ok(entries) = fs::read_dir(dir) else {
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.iter().map(|path| fs::read(path).unwrap()).collect()
}

/// Keeps an input that failed, where builds keep what is theirs.
fn save(name: &str, input: &[u8]) -> PathBuf {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR"))
        .join("fuzz")
        .join(name);
    fs::create_dir_all(&dir).unwrap();
    let file = dir.join(&blake3::hash(input).to_hex()[..16]);
    fs::write(&file, input).unwrap();
    file
}
