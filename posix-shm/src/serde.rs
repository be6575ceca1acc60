//! The feature `serde`. What is not valid is refused on the way in.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, SeqAccess, Unexpected, Visitor};
use serde::ser::{Error as _, Serialize, Serializer};

use crate::name::ShmName;
use crate::permissions::Permissions;
use crate::seals::Seals;

/// A string with its leading slash. A name that is not UTF-8 is an error.
impl Serialize for ShmName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.as_os_str().to_str() {
            Some(name) => serializer.serialize_str(name),
            None => Err(S::Error::custom("the name is not UTF-8")),
        }
    }
}

/// As [`ShmName::new`]: only a name that is valid on this system.
impl<'de> Deserialize<'de> for ShmName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<ShmName, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = ShmName;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a shared memory object")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<ShmName, E> {
                ShmName::new(name).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Name)
    }
}

/// A number: the mode of `fchmod`.
impl Serialize for Permissions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u32(self.mode())
    }
}

/// A mode. Bits that are no permissions are refused.
impl<'de> Deserialize<'de> for Permissions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Permissions, D::Error> {
        let mode = u32::deserialize(deserializer)?;
        let permissions = Permissions::from_mode(mode);
        if permissions.mode() == mode {
            return Ok(permissions);
        }
        let found = Unexpected::Unsigned(mode.into());
        Err(D::Error::invalid_value(found, &"a mode of at most 0o7777"))
    }
}

/// A list of names, such as `["SHRINK", "GROW"]`.
impl Serialize for Seals {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.iter_names().map(|(name, _)| name))
    }
}

/// A list of names. One that is no seal is refused.
impl<'de> Deserialize<'de> for Seals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Seals, D::Error> {
        struct Names;

        impl<'de> Visitor<'de> for Names {
            type Value = Seals;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of seals")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut names: A) -> Result<Seals, A::Error> {
                let mut seals = Seals::empty();
                while let Some(name) = names.next_element::<String>()? {
                    seals |= Seals::from_name(&name).ok_or_else(|| {
                        A::Error::invalid_value(Unexpected::Str(&name), &"the name of a seal")
                    })?;
                }
                Ok(seals)
            }
        }

        deserializer.deserialize_seq(Names)
    }
}
