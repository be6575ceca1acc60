//! [`Seals`]: what an object is sealed against.

bitflags::bitflags! {
    /// What an object is sealed against, for every process and for good.
    ///
    /// # Platform-specific behavior
    ///
    /// Linux, Android and FreeBSD seal anonymous objects. FreeBSD knows neither
    /// [`FUTURE_WRITE`](Seals::FUTURE_WRITE) nor [`EXEC`](Seals::EXEC). Elsewhere the calls fail;
    /// [`capabilities`](crate::capabilities()) says so.
    ///
    /// # Examples
    ///
    /// ```
    /// use posix_shm::{Seals, Shm, capabilities};
    ///
    /// if capabilities().seal {
    ///     let object = Shm::anonymous(4096)?;
    ///     object.seal(Seals::SHRINK | Seals::GROW)?;
    ///     assert!(object.set_len(65536).is_err());
    /// }
    /// # Ok::<(), posix_shm::Error>(())
    /// ```
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
    pub struct Seals: u32 {
        /// Against further seals: `F_SEAL_SEAL`.
        const SEAL = 1;
        /// Against becoming shorter: `F_SEAL_SHRINK`. A mapping can still fault: a peer may punch
        /// holes into the object, its memory may never have been reserved, and a huge page may be
        /// lost. [`Shm::may_fault`](crate::Shm::may_fault) says whether it can.
        const SHRINK = 2;
        /// Against becoming longer: `F_SEAL_GROW`.
        const GROW = 4;
        /// Against being written at all: `F_SEAL_WRITE`. Refused while any process has the object
        /// mapped through a handle that can write, even if only for reading.
        const WRITE = 8;
        /// Against being written in any new way: `F_SEAL_FUTURE_WRITE`. Mappings that exist keep
        /// what they can do: one that was made through a handle that can write may be written, or
        /// made writable with `mprotect`.
        const FUTURE_WRITE = 16;
        /// Against a change of whether it is executable: `F_SEAL_EXEC`. On an object that is
        /// executable, the kernel adds [`SHRINK`](Seals::SHRINK), [`GROW`](Seals::GROW),
        /// [`WRITE`](Seals::WRITE) and [`FUTURE_WRITE`](Seals::FUTURE_WRITE) itself.
        const EXEC = 32;
    }
}
