//! How a group chooses a way to divide partitions: one that all support, by majority.

use super::identity::ProtocolName;
use super::request::Protocol;

/// Whether somebody who supports `offered` can be in one group with `others`.
pub(super) fn are_compatible<'a>(
    offered: &[Protocol],
    others: impl Iterator<Item = &'a [Protocol]> + Clone,
) -> bool {
    offered.iter().any(|protocol| others.clone().all(|other| supports(other, &protocol.name)))
}

/// The protocol that most members like best among those that all support. Of equals it is the one
/// that the first member likes better. `None` where there is none.
pub(super) fn choose<'a>(
    members: impl Iterator<Item = &'a [Protocol]> + Clone,
) -> Option<ProtocolName> {
    let first = members.clone().next()?;
    let candidates: Vec<&ProtocolName> = first
        .iter()
        .map(|protocol| &protocol.name)
        .filter(|name| members.clone().all(|member| supports(member, name)))
        .collect();
    let votes = |candidate: &ProtocolName| {
        let favourite = |member: &'a [Protocol]| {
            member.iter().map(|protocol| &protocol.name).find(|name| candidates.contains(name))
        };
        members.clone().filter(|member| favourite(member) == Some(candidate)).count()
    };
    // `max_by_key` takes the last of equals.
    candidates.iter().rev().max_by_key(|candidate| votes(candidate)).map(|name| (*name).clone())
}

fn supports(protocols: &[Protocol], name: &ProtocolName) -> bool {
    protocols.iter().any(|protocol| protocol.name == *name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn protocols(names: &str) -> Vec<Protocol> {
        let protocol = |name: &str| Protocol { name: name.into(), metadata: Default::default() };
        names.split_whitespace().map(protocol).collect()
    }

    #[test]
    fn the_majority_chooses_among_what_all_support() {
        for (members, chosen) in [
            (&["range"][..], Some("range")),
            (&["range sticky", "sticky range"], Some("range")),
            (&["sticky range", "range sticky"], Some("sticky")),
            (&["range sticky", "sticky range", "sticky range"], Some("sticky")),
            // The favourite of two is not supported by the third: their second choice counts.
            (&["a b", "a b", "b"], Some("b")),
            (&["a c b", "a b c", "c b", "b c"], Some("c")),
            (&["range", "sticky"], None),
            (&[], None),
        ] {
            let members: Vec<_> = members.iter().map(|names| protocols(names)).collect();
            let of = choose(members.iter().map(Vec::as_slice));
            assert_eq!(of.as_ref().map(ProtocolName::as_str), chosen, "{members:?}");
        }
    }

    #[test]
    fn whoever_shares_a_protocol_with_all_others_may_join() {
        for (offered, others, expected) in [
            ("a", &[][..], true),
            ("a", &["a b", "b a"], true),
            ("c a", &["a b", "b a"], true),
            ("a b", &["a", "b"], false),
            ("c", &["a"], false),
        ] {
            let others: Vec<_> = others.iter().map(|names| protocols(names)).collect();
            let is = are_compatible(&protocols(offered), others.iter().map(Vec::as_slice));
            assert_eq!(is, expected, "{offered}");
        }
    }
}
