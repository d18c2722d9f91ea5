//! `gantry engines`.

use super::answer::{Engine, Page};
use super::api::Api;
use super::screen::Hue;
use super::table::{Cell, Table};
use super::text::one_line;
use super::{Failure, Screen};

pub(super) async fn list(api: &Api, screen: &mut Screen, json: bool) -> Result<(), Failure> {
    let answer = api.get(api.url(&["api", "v1", "engines"])).await?;
    if json {
        return screen.json(&answer.text);
    }
    let engines: Page<Engine> = answer.read()?;
    let mut table = Table::new(["NAME", "EXECUTOR", "LABELS", "SLOTS", "STATE"]);
    for Engine { name, executor, labels, slots, jobs, answers, sentence } in &engines.items {
        table.row([
            Cell::hued(one_line(name), Hue::Strong),
            Cell::new(executor),
            Cell::new(one_line(&labels.join(", "))),
            Cell::new(format!("{jobs} of {slots} taken")),
            Cell::hued(one_line(sentence), if *answers { Hue::Good } else { Hue::Bad }),
        ]);
    }
    screen.data(&table.render(screen.colour))
}
