//! Which card a number means.
//!
//! CUDA numbers the cards it is shown: all of them, or those that `CUDA_VISIBLE_DEVICES` names, in that
//! order. The management library knows nothing of that variable. Where cards differ, CUDA numbers the
//! fastest first unless `CUDA_DEVICE_ORDER=PCI_BUS_ID` is set; the order of equal cards is the same in both.

/// How a card is named in `CUDA_VISIBLE_DEVICES`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Named {
    /// By its number among all cards.
    Number(u32),
    /// By its identifier, or the beginning of it (`GPU-8932f937`); for a part of a card (`MIG-…`) too.
    Identifier(String),
}

/// The cards that CUDA is shown, in its order; `None` for all there are. Like CUDA, what follows a name
/// that means nothing is not there.
pub(super) fn named(variable: Option<&str>) -> Option<Vec<Named>> {
    let names = variable?.split(',').map(str::trim);
    let names = names.map_while(|name| {
        if name.starts_with("GPU-") || name.starts_with("MIG-") {
            return Some(Named::Identifier(name.to_owned()));
        }
        name.parse().ok().map(Named::Number)
    });
    Some(names.collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_variable_says_which_cards_there_are_and_in_which_order() {
        let number = Named::Number;
        assert_eq!(named(None), None);
        assert_eq!(named(Some("2,0")), Some(vec![number(2), number(0)]));
        assert_eq!(named(Some(" 1 , 3")), Some(vec![number(1), number(3)]));
        assert_eq!(named(Some("")), Some(vec![]));
        assert_eq!(named(Some("1,-1,0")), Some(vec![number(1)]));
        let identifier = Named::Identifier("GPU-8932f937".to_owned());
        assert_eq!(named(Some("GPU-8932f937")), Some(vec![identifier]));
    }
}
