//! What bindgen wrote, and the checks that it must pass. With a libclang that is newer or older
//! than bindgen expects, structures have come out empty, and no error was reported.

use std::fmt::Write;

use crate::names;
use crate::prototype::Prototype;

/// Names that bindgen gives to a structure's only field if it does not understand the structure.
const OPAQUE: &[&str] = &["_address", "_unused", "_bindgen_opaque_blob"];

/// The functions behind the macro `errno`: each system has one of them. The bindings call it
/// `errno_location`.
pub(crate) const ERRNO_LOCATION: &[&str] = &["__errno_location", "__error", "__errno", "___errno"];

/// The output of bindgen.
pub(crate) struct Generated {
    /// Its text without white space. A space would depend on how bindgen formats.
    text: String,
}

impl Generated {
    pub(crate) fn read(items: &str) -> Self {
        Self { text: items.split_whitespace().collect() }
    }

    /// Checks that every item of the list is there and that every structure has its fields.
    /// Returns the names that the bindings can offer. `variadic` is the name that a function has if
    /// it takes `...`.
    pub(crate) fn names(
        &self,
        functions: &[Prototype],
        variadic: impl Fn(&str) -> String,
    ) -> Result<Vec<&'static str>, String> {
        let mut names = Vec::new();
        for function in functions {
            if self.declares(function.calls) || self.declares(&variadic(function.calls)) {
                names.push(function.name);
            } else if !function.optional {
                return Err(format!("it declares no function {}", function.name));
            }
        }
        for (_, name) in names::constants() {
            match self.constant(name) {
                Some(Ok(_)) => names.push(name),
                Some(Err(value)) => return Err(format!("{name} is not a number: {value}")),
                None => {}
            }
        }
        if let Some(name) = names::TYPES.iter().find(|name| !self.has(&format!("pubtype{name}="))) {
            return Err(format!("it defines no type {name}"));
        }
        for structure in names::STRUCTS {
            names.extend(self.structure(structure)?);
        }
        Ok(names)
    }

    /// The function of the list behind `errno` that is declared.
    pub(crate) fn errno_location(&self) -> Result<&'static str, String> {
        let found = ERRNO_LOCATION.iter().find(|name| self.declares(name));
        found
            .copied()
            .ok_or_else(|| format!("it declares none of {}, for errno", ERRNO_LOCATION.join(", ")))
    }

    /// C code that compiles only if the headers say the same, according to the C compiler. `names`
    /// are those that [`names`](Self::names) returned.
    pub(crate) fn assertions(&self, names: &[&'static str]) -> Result<String, String> {
        let mut text = String::new();
        for (of, name) in names::constants() {
            let Some(Ok(value)) = self.constant(name) else {
                let _ = writeln!(text, "#ifdef {name}\n#error \"{name} is missing\"\n#endif");
                continue;
            };
            // C has no literal for the lowest number.
            let (sign, size) = (if value < 0 { "-" } else { "" }, value.unsigned_abs());
            let same = format!("({of}) ({name}) == ({of}) {sign}{size}ULL");
            assert_in_c(&mut text, &same, &format!("{name} is not {value}"));
        }
        for structure in names::STRUCTS {
            let name = structure.name;
            let size = self.size(name)?;
            let same = format!("sizeof(struct {name}) == {size}");
            assert_in_c(&mut text, &same, &format!("struct {name} has not {size} bytes"));
            let timespecs = structure.timespecs.iter().flat_map(|names| *names).copied();
            let timespecs = timespecs.filter(|field| names.contains(field));
            for field in structure.integer_names().chain(timespecs) {
                let offset = self.offset(name, field)?;
                let same = format!("offsetof(struct {name}, {field}) == {offset}");
                assert_in_c(&mut text, &same, &format!("{name}.{field} is not at {offset}"));
            }
        }
        Ok(text)
    }

    fn has(&self, text: &str) -> bool {
        self.text.contains(text)
    }

    fn declares(&self, function: &str) -> bool {
        self.has(&format!("pubfn{function}("))
    }

    /// The value of a constant. The error is the text, if it is not a number.
    fn constant(&self, name: &str) -> Option<Result<i128, &str>> {
        let (_, rest) = self.text.split_once(&format!("pubconst{name}:"))?;
        let (_, value) = rest.split_once('=')?;
        let value = &value[..value.find(';')?];
        Some(value.parse().map_err(|_| value))
    }

    /// Checks a structure. Returns the names of the fields that differ between systems.
    fn structure(&self, structure: &names::Struct) -> Result<Vec<&'static str>, String> {
        let name = structure.name;
        let start = format!("pubstruct{name}{{");
        let body = self.text.split_once(&start).and_then(|(_, rest)| rest.split_once('}'));
        let (body, _) = body.ok_or_else(|| format!("it defines no struct {name}"))?;
        let has = |field: &str| {
            let field = format!("pub{field}:");
            body.starts_with(&field) || body.contains(&format!(",{field}"))
        };
        if let Some(field) = OPAQUE.iter().find(|field| has(field)) {
            return Err(format!("struct {name} is opaque: it has the field {field}"));
        }
        if let Some(field) = structure.integer_names().find(|field| !has(field)) {
            return Err(format!("struct {name} has no field {field}"));
        }
        let timespecs = structure.timespecs(has)?;
        self.size(name)?;
        for field in structure.integer_names().chain(timespecs.iter().copied()) {
            self.offset(name, field)?;
        }
        Ok(timespecs)
    }

    /// The size that bindgen asserts for a structure.
    fn size(&self, name: &str) -> Result<usize, String> {
        let before = format!("[::core::mem::size_of::<{name}>()-");
        self.asserted(&before).ok_or_else(|| format!("it has no size of struct {name}"))
    }

    /// The offset that bindgen asserts for a field.
    fn offset(&self, name: &str, field: &str) -> Result<usize, String> {
        let before = format!("[::core::mem::offset_of!({name},{field})-");
        self.asserted(&before).ok_or_else(|| format!("it has no offset of {name}.{field}"))
    }

    fn asserted(&self, before: &str) -> Option<usize> {
        let (_, rest) = self.text.split_once(before)?;
        rest.split_once("usize")?.0.parse().ok()
    }
}

fn assert_in_c(text: &mut String, condition: &str, otherwise: &str) {
    let _ = writeln!(text, "_Static_assert({condition}, \"{otherwise}\");");
}
