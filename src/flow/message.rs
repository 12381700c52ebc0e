//! Messages, and the ports at which they wait.

/// What nodes send each other.
pub(crate) trait Message: Sized + Send + 'static {
    /// Where one of them waits.
    type Slot: Slot<Self>;

    /// A message that says only that its sender has ended.
    fn signal() -> Self;
}

/// A place for one message. A counter always stands between the `put` and whoever looks: the orderings are
/// those of [`Inbox`](super::inbox::Inbox).
pub(crate) trait Slot<M>: Send + Sync {
    /// A place without a message.
    fn new() -> Self;

    /// Puts a message there.
    fn put(&self, message: M);

    /// Whether no message is there.
    fn is_empty(&self) -> bool;

    /// Throws the message away, if one is there.
    fn clear(&self);
}
