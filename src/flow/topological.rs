//! Orders in which senders come before receivers.

use std::collections::VecDeque;

/// By node, who waits for it.
fn receivers_of(senders: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut receivers = vec![Vec::new(); senders.len()];
    for (node, senders) in senders.iter().enumerate() {
        for &sender in senders {
            receivers[sender].push(node);
        }
    }
    receivers
}

/// Kahn's algorithm: a node that waits for nobody any more goes next, the one that first came to that first.
/// `senders` says by node for whom it waits, once for each message.
///
/// # Errors
/// The nodes along a cycle, each once, every one before the next that waits for it.
pub(crate) fn topological_order(senders: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let receivers = receivers_of(senders);
    let mut missing: Vec<usize> = senders.iter().map(Vec::len).collect();
    let mut ready: VecDeque<usize> = (0..senders.len()).filter(|&it| missing[it] == 0).collect();
    let mut order = Vec::with_capacity(senders.len());
    while let Some(node) = ready.pop_front() {
        order.push(node);
        for &receiver in &receivers[node] {
            missing[receiver] -= 1;
            if missing[receiver] == 0 {
                ready.push_back(receiver);
            }
        }
    }
    if order.len() == senders.len() { Ok(order) } else { Err(cycle(senders, &missing)) }
}

/// Every node left over waits for another one left over, so walking back along such senders must come around.
fn cycle(senders: &[Vec<usize>], missing: &[usize]) -> Vec<usize> {
    let mut place = vec![None; senders.len()];
    let mut path = Vec::new();
    let mut next = missing.iter().position(|&missing| missing > 0);
    while let Some(node) = next {
        if let Some(start) = place[node] {
            path.drain(..start);
            break;
        }
        place[node] = Some(path.len());
        path.push(node);
        next = senders[node].iter().copied().find(|&sender| missing[sender] > 0);
    }
    path.reverse();
    path
}
