//! Which others each one needs, near or far.

/// For each one, by position. There are no cycles, or they have been told: then the answer does not matter.
pub(super) fn reach<'n>(needs: impl Iterator<Item = &'n [u32]>) -> Vec<Vec<bool>> {
    let needs: Vec<&[u32]> = needs.collect();
    let mut reach: Vec<Option<Vec<bool>>> = vec![None; needs.len()];
    for start in 0..needs.len() {
        // Each one once: what it needs comes first.
        let mut path = vec![start];
        let mut on_path = vec![false; needs.len()];
        while let Some(at) = path.last().copied() {
            if let Some(mark) = on_path.get_mut(at) {
                *mark = true;
            }
            if reach.get(at).is_some_and(Option::is_some) {
                path.pop();
                continue;
            }
            let open = |need: &usize| reach.get(*need).is_some_and(Option::is_none) && on_path.get(*need) == Some(&false);
            let of = |at: usize| needs.get(at).copied().unwrap_or_default().iter().filter_map(|need| usize::try_from(*need).ok());
            let next = of(at).find(open);
            if let Some(next) = next {
                path.push(next);
                continue;
            }
            let mut reached = vec![false; needs.len()];
            for need in of(at) {
                if let Some(Some(far)) = reach.get(need) {
                    reached.iter_mut().zip(far).for_each(|(reached, far)| *reached |= far);
                }
                if let Some(reached) = reached.get_mut(need) {
                    *reached = true;
                }
            }
            if let Some(place) = reach.get_mut(at) {
                *place = Some(reached);
            }
            path.pop();
        }
    }
    reach.into_iter().map(Option::unwrap_or_default).collect()
}
