//! Reads the sources of the workspace as text: which files there are, what of them is production code,
//! and which other file each one uses.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
};

/// A module path below a crate root: `["store", "items"]`.
pub(crate) type ModulePath = Vec<String>;

/// One crate of the workspace, as text.
pub(crate) struct Sources {
    root: PathBuf,
    /// Production files by module path. `lib.rs` is the empty path; `main.rs` is left out.
    pub(crate) files: BTreeMap<ModulePath, File>,
}

/// One production file.
pub(crate) struct File {
    /// Relative to the crate's `src`.
    pub(crate) path: PathBuf,
    /// The text without comments and without items behind `#[cfg(test)]`.
    pub(crate) code: String,
    /// The code without its `use` declarations.
    body: String,
    /// The whole text.
    pub(crate) text: String,
    /// What its `use` declarations import: (path from the crate root, local name).
    imports: Vec<(ModulePath, String)>,
    /// What it re-exports from its own submodules: name → path from the crate root.
    reexports: BTreeMap<String, ModulePath>,
}

impl Sources {
    /// Reads the crate whose sources are in `root`.
    pub(crate) fn read(root: &Path) -> Self {
        let mut files = BTreeMap::new();
        for path in rust_files(root) {
            let relative = path.strip_prefix(root).unwrap().to_owned();
            if is_test(&relative) || relative == Path::new("main.rs") {
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let code = production_code(&text);
            let module = module_path(&relative);
            let (imports, reexports) = uses(&code, &module);
            let file = File {
                path: relative,
                body: without_uses(&code),
                code,
                text,
                imports,
                reexports,
            };
            files.insert(module, file);
        }
        Self {
            root: root.to_owned(),
            files,
        }
    }

    /// Lines that are neither blank nor comment, without tests; `main.rs` counts too.
    pub(crate) fn production_lines(&self) -> usize {
        let main = fs::read_to_string(self.root.join("main.rs")).unwrap_or_default();
        let main = lines_of_code(&production_code(&main));
        main + self.files.values().map(File::lines_of_code).sum::<usize>()
    }

    /// The files that `module` uses.
    fn uses_of(&self, module: &ModulePath) -> BTreeSet<ModulePath> {
        let file = &self.files[module];
        let mut used = BTreeSet::new();
        for (path, name) in &file.imports {
            if self.files.contains_key(path) {
                // A module was imported: what counts is what is taken out of it.
                for item in after_name(&file.body, name) {
                    let mut path = path.clone();
                    path.extend(item);
                    used.extend(self.definition(&path, 0));
                }
            } else {
                used.extend(self.definition(path, 0));
            }
        }
        for path in inline_paths(&file.body, module, &self.children(module)) {
            used.extend(self.definition(&path, 0));
        }
        used.remove(module);
        used
    }

    fn children(&self, module: &ModulePath) -> Vec<String> {
        let is_child =
            |path: &&ModulePath| path.len() == module.len() + 1 && path.starts_with(module);
        let children = self.files.keys().filter(is_child);
        children.filter_map(|path| path.last().cloned()).collect()
    }

    /// The file that defines what `path` names: re-exports are followed.
    fn definition(&self, path: &[String], depth: usize) -> Option<ModulePath> {
        let (module, rest) = (0..=path.len())
            .rev()
            .map(|n| path.split_at(n))
            .find(|(module, _)| self.files.contains_key(*module))?;
        let file = &self.files[module];
        let reexport = rest.first().and_then(|name| file.reexports.get(name));
        match reexport {
            Some(target) if depth < 8 => {
                let mut target = target.clone();
                target.extend(rest[1..].iter().cloned());
                self.definition(&target, depth + 1)
            }
            // `crate::name` that is no module is a macro.
            _ if module.is_empty() => None,
            _ => Some(module.to_vec()),
        }
    }

    /// Groups of files that use one another, directly or in a circle.
    pub(crate) fn circles(&self) -> Vec<Vec<PathBuf>> {
        let graph: BTreeMap<_, _> = self
            .files
            .keys()
            .map(|module| (module.clone(), self.uses_of(module)))
            .collect();
        let reaches: BTreeMap<_, _> = graph
            .keys()
            .map(|module| (module, reachable(&graph, module)))
            .collect();
        let mut circles = BTreeSet::new();
        for (module, reached) in &reaches {
            if reached.contains(*module) {
                let circle: Vec<_> = reached
                    .iter()
                    .filter(|other| reaches[other].contains(*module))
                    .map(|other| self.files[other].path.clone())
                    .collect();
                circles.insert(circle);
            }
        }
        circles.into_iter().collect()
    }

    /// The top modules that each file uses.
    pub(crate) fn modules_used(&self, module: &ModulePath) -> BTreeSet<String> {
        let file = &self.files[module];
        let imported = file.imports.iter().map(|(path, _)| path.clone());
        let inline = inline_paths(&file.body, module, &[]);
        let top = imported
            .chain(inline)
            .filter_map(|path| path.first().cloned());
        top.filter(|name| self.files.contains_key(std::slice::from_ref(name)))
            .collect()
    }
}

impl File {
    /// Lines that are neither blank nor comment, without tests.
    pub(crate) fn lines_of_code(&self) -> usize {
        lines_of_code(&self.code)
    }
}

fn reachable(
    graph: &BTreeMap<ModulePath, BTreeSet<ModulePath>>,
    from: &ModulePath,
) -> BTreeSet<ModulePath> {
    let mut reached = BTreeSet::new();
    let mut next: Vec<_> = graph[from].iter().cloned().collect();
    while let Some(module) = next.pop() {
        if reached.insert(module.clone()) {
            next.extend(graph[&module].iter().cloned());
        }
    }
    reached
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

fn is_test(relative: &Path) -> bool {
    let stem = relative.file_stem().unwrap().to_string_lossy();
    stem == "tests"
        || stem == "testing"
        || stem.ends_with("_tests")
        || relative
            .components()
            .any(|part| part.as_os_str() == "tests")
}

fn module_path(relative: &Path) -> ModulePath {
    let mut path: Vec<_> = relative
        .with_extension("")
        .components()
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    if matches!(path.last().map(String::as_str), Some("mod" | "lib")) {
        path.pop();
    }
    path
}

fn lines_of_code(code: &str) -> usize {
    code.lines().filter(|line| !line.trim().is_empty()).count()
}

/// The text without comment lines and without items behind `#[cfg(test)]`. rustfmt puts an attribute on a
/// line of its own and closes an item at the indentation at which it began.
fn production_code(text: &str) -> String {
    let mut code = String::new();
    let mut lines = text.lines().peekable();
    while let Some(line) = lines.next() {
        let trimmed = line.trim_start();
        if trimmed.starts_with("#[cfg(test)]") || trimmed.starts_with("#[cfg(all(test") {
            let indent = line.len() - trimmed.len();
            let closing = format!("{}}}", " ".repeat(indent));
            while lines
                .peek()
                .is_some_and(|line| line.trim_start().starts_with("#["))
            {
                lines.next();
            }
            for line in lines.by_ref() {
                let is_end = line.starts_with(&closing)
                    || line.trim_end().ends_with(';')
                        && line.len() - line.trim_start().len() == indent;
                if is_end {
                    break;
                }
            }
            continue;
        }
        if !trimmed.starts_with("//") {
            code.push_str(line);
            code.push('\n');
        }
    }
    code
}

type Uses = (Vec<(ModulePath, String)>, BTreeMap<String, ModulePath>);

/// What the `use` declarations of a file import, and what they re-export from its own submodules.
fn uses(code: &str, module: &ModulePath) -> Uses {
    let mut imports = Vec::new();
    let mut reexports = BTreeMap::new();
    let mut rest = code;
    while let Some(at) = rest.find("use ") {
        let before = rest[..at].rsplit('\n').next().unwrap_or_default();
        let declaration = &rest[at + 4..];
        let Some(end) = declaration.find(';') else {
            break;
        };
        rest = &rest[at + 4..];
        let visibility = before.trim();
        if !(visibility.is_empty() || visibility.starts_with("pub")) {
            continue;
        }
        for (path, name) in expand(&declaration[..end]) {
            let Some(path) = absolute(&path, module) else {
                // `pub use submodule::Name` without a leading `self::`.
                if visibility.starts_with("pub") {
                    let mut target = module.clone();
                    target.extend(path);
                    reexports.insert(name, target);
                } else {
                    let mut target = module.clone();
                    target.extend(path);
                    imports.push((target, name));
                }
                continue;
            };
            let is_own = path.len() > module.len() && path.starts_with(module);
            if visibility.starts_with("pub") && is_own {
                reexports.insert(name, path);
            } else {
                imports.push((path, name));
            }
        }
    }
    (imports, reexports)
}

/// The code without its `use` declarations.
fn without_uses(code: &str) -> String {
    let mut body = String::new();
    let mut is_use = false;
    for line in code.lines() {
        let declaration = line.trim_start();
        let after_visibility = match declaration.strip_prefix("pub") {
            Some(rest) => rest
                .split_once(") ")
                .map_or(rest, |(_, rest)| rest)
                .trim_start(),
            None => declaration,
        };
        is_use |= after_visibility.starts_with("use ");
        if is_use {
            is_use = !line.trim_end().ends_with(';');
        } else {
            body.push_str(line);
            body.push('\n');
        }
    }
    body
}

/// A path from the crate root; none if it does not begin with `crate`, `self` or `super`.
fn absolute(path: &[String], module: &ModulePath) -> Option<ModulePath> {
    let mut base = match path.first()?.as_str() {
        "crate" => Vec::new(),
        "self" => module.clone(),
        "super" => {
            let mut parent = module.clone();
            parent.pop();
            parent
        }
        _ => return None,
    };
    for part in &path[1..] {
        if part == "super" {
            base.pop();
        } else {
            base.push(part.clone());
        }
    }
    Some(base)
}

/// `a::{b, c::{self, d as e}}` → (a::b, b), (a::c, c), (a::c::d, e).
fn expand(tree: &str) -> Vec<(Vec<String>, String)> {
    fn walk(prefix: &[String], tree: &str, found: &mut Vec<(Vec<String>, String)>) {
        let tree = tree.trim();
        if let Some(open) = tree.find('{') {
            let mut path = prefix.to_vec();
            let head = tree[..open].split("::").map(str::trim);
            path.extend(head.filter(|part| !part.is_empty()).map(str::to_owned));
            let inner = &tree[open + 1..tree.rfind('}').unwrap_or(tree.len())];
            let (mut depth, mut start) = (0, 0);
            for (at, c) in inner.char_indices() {
                match c {
                    '{' => depth += 1,
                    '}' => depth -= 1,
                    ',' if depth == 0 => {
                        walk(&path, &inner[start..at], found);
                        start = at + 1;
                    }
                    _ => {}
                }
            }
            walk(&path, &inner[start..], found);
        } else if !tree.is_empty() {
            let (tree, alias) = match tree.split_once(" as ") {
                Some((tree, alias)) => (tree, Some(alias.trim().to_owned())),
                None => (tree, None),
            };
            let mut path = prefix.to_vec();
            path.extend(tree.split("::").map(|part| part.trim().to_owned()));
            if path.last().is_some_and(|last| last == "self") && path.len() > 1 {
                path.pop();
            }
            let name = alias.or_else(|| path.last().cloned()).unwrap_or_default();
            found.push((path, name));
        }
    }
    let mut found = Vec::new();
    walk(&[], tree, &mut found);
    found
}

/// The paths that follow `name::` in the code, up to three parts of them.
fn after_name(code: &str, name: &str) -> Vec<Vec<String>> {
    let pattern = format!("{name}::");
    let mut found = Vec::new();
    for (at, _) in code.match_indices(&pattern) {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == ':' || c == '.';
        if code[..at].chars().next_back().is_some_and(is_word) {
            continue;
        }
        found.push(parts(&code[at + pattern.len()..]));
    }
    found
}

fn parts(text: &str) -> Vec<String> {
    let end = text
        .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'))
        .unwrap_or(text.len());
    text[..end]
        .split("::")
        .filter(|part| !part.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Paths in the code that begin with `crate::`, `super::`, `self::`, or with the name of a submodule.
fn inline_paths(code: &str, module: &ModulePath, children: &[String]) -> Vec<ModulePath> {
    let mut found = Vec::new();
    for head in ["crate", "super", "self"] {
        for rest in after_name(code, head) {
            let mut path = vec![head.to_owned()];
            path.extend(rest);
            found.extend(absolute(&path, module));
        }
    }
    for child in children {
        for rest in after_name(code, child) {
            let mut path = module.clone();
            path.push(child.clone());
            path.extend(rest);
            found.push(path);
        }
    }
    found
}
