//! [`Capabilities`]: what a system can promise.

/// What this system can promise: the result of [`capabilities`](crate::capabilities()).
///
/// If a field is false, the documentation of the item that it links to says what happens instead.
///
/// # Examples
///
/// ```
/// use posix_shm::{Shm, capabilities};
///
/// let object = Shm::anonymous(4096)?;
/// if capabilities().freeze_while_mapped {
///     let object = object.freeze()?;
///     assert!(object.map_mut().is_err());
/// }
/// # Ok::<(), posix_shm::Error>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
#[allow(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub struct Capabilities {
    /// Objects can have names.
    pub named: bool,
    /// Users other than the owner can open an object, if its permissions let them.
    pub other_users: bool,
    /// The umask clears bits of the [`permissions`](crate::OpenOptions::permissions) of a new
    /// object.
    pub umask: bool,
    /// An object has exactly the length that it was given, not rounded up to whole pages.
    pub exact_len: bool,
    /// An object that is created with a [`size`](crate::OpenOptions::size) or by
    /// [`open_with`](crate::OpenOptions::open_with) gets its name only when it is complete.
    pub complete_before_named: bool,
    /// [`IfExists::Supersede`](crate::IfExists::Supersede) takes a name over in one step.
    pub supersede_in_one_step: bool,
    /// Memory is reserved when an object is sized.
    pub reserve: bool,
    /// The length of an object can be set more than once.
    pub resize: bool,
    /// [`grow`](crate::Shm::grow) never shortens an object that a peer makes longer at the same
    /// time.
    pub grow_never_shortens: bool,
    /// [`punch`](crate::Shm::punch) gives memory back, and [`reserve`](crate::Shm::reserve) takes
    /// it again.
    pub punch: bool,
    /// [`set_permissions`](crate::Shm::set_permissions) and [`set_owner`](crate::Shm::set_owner)
    /// work.
    pub set_permissions: bool,
    /// `read_at` and `write_at` go through `pread` and `pwrite`.
    pub read_write_at: bool,
    /// [`list`](crate::list()) works.
    pub list: bool,
    /// Anonymous objects can be [sealed](crate::Shm::seal).
    pub seal: bool,
    /// [`freeze`](crate::Shm::freeze) works while the object is mapped for writing, and such a
    /// mapping stays writable.
    pub freeze_while_mapped: bool,
    /// [`make_immutable`](crate::Shm::make_immutable) and
    /// [`map_immutable`](crate::Shm::map_immutable) work.
    pub map_immutable: bool,
    /// [`read_only`](crate::Shm::read_only) works for anonymous objects too.
    pub read_only_anonymous: bool,
    /// Objects can be told apart, so that [`Shm::unlink`](crate::Shm::unlink) leaves a successor's
    /// object alone.
    pub tell_objects_apart: bool,
    /// [`presence`](crate::Shm::presence), [`is_unused`](crate::Shm::is_unused) and
    /// [`unlink_if_unused`](crate::Shm::unlink_if_unused) work.
    pub presence: bool,
    /// [`lock`](crate::Shm::lock), [`try_lock`](crate::Shm::try_lock) and
    /// [`lock_for`](crate::Shm::lock_for) work.
    pub lock: bool,
    /// [`grow`](crate::Mapping::grow) moves a mapping with its pages past its capacity. Otherwise
    /// it maps the object again.
    pub move_mappings: bool,
    /// [`map_copy_on_write`](crate::MapOptions::map_copy_on_write) works.
    pub copy_on_write: bool,
    /// [`collapse`](crate::Mapping::collapse) makes huge pages, if the kernel is new enough.
    pub collapse: bool,
    /// Anonymous objects can have [`HugePages`](crate::HugePages) from a pool, if the kernel is
    /// built with them.
    pub huge_pages: bool,
    /// [`residency`](crate::Mapping::residency) works.
    pub residency: bool,
    /// [`wait`](crate::SharedAtomic::wait) sleeps until it is woken. Otherwise it looks at the word
    /// again and again, with pauses.
    pub wait: bool,
    /// It also sleeps if the mapping is read-only.
    pub wait_read_only: bool,
    /// [`notify_all`](crate::SharedAtomic::notify_all) and
    /// [`notify_one`](crate::SharedAtomic::notify_one) return how many they have woken. Otherwise
    /// they return 0.
    pub notify_counts: bool,
}
