//! Bars beside each other, as a picture (SVG).

use std::error::Error;
use std::path::Path;

use plotters::prelude::*;

/// A group of bars: its title, and each bar's label and length.
pub type Group = (String, Vec<(String, f64)>);

/// Draws the groups one below the other. Bars whose label begins with `ours` have another colour,
/// and a line marks the length 1.
pub fn bars(path: &Path, title: &str, groups: &[Group], ours: &str) -> Result<(), Box<dyn Error>> {
    const ROW: i32 = 22;
    const LEFT: i32 = 330;
    const RIGHT: i32 = 90;
    const WIDTH: i32 = 900;
    /// Longer bars are cut off there, and their number says how long they are.
    const LONGEST: f64 = 2.0;
    let rows: usize = groups.iter().map(|(_, bars)| bars.len() + 2).sum();
    let height = 40 + ROW * rows as i32;
    let area = SVGBackend::new(path, (WIDTH as u32, height as u32)).into_drawing_area();
    area.fill(&WHITE)?;
    let text = |size: i32| ("sans-serif", size).into_font().color(&BLACK);
    area.draw(&Text::new(title.to_owned(), (12, 10), text(16)))?;
    let scale = f64::from(WIDTH - LEFT - RIGHT) / LONGEST;
    let one = LEFT + scale as i32;
    let mut y = 44;
    for (title, bars) in groups {
        area.draw(&Text::new(title.clone(), (12, y), text(14)))?;
        y += ROW;
        let top = y;
        for (label, length) in bars {
            let colour = if label.starts_with(ours) {
                RGBColor(31, 119, 180)
            } else {
                RGBColor(170, 170, 170)
            };
            let end = LEFT + (length.min(LONGEST) * scale) as i32;
            area.draw(&Text::new(label.clone(), (24, y + 2), text(12)))?;
            area.draw(&Rectangle::new([(LEFT, y + 2), (end, y + ROW - 4)], colour.filled()))?;
            // Not across the line.
            let number = if (one - 28..one).contains(&end) { one } else { end } + 6;
            area.draw(&Text::new(format!("{length:.2}"), (number, y + 2), text(12)))?;
            y += ROW;
        }
        area.draw(&PathElement::new([(one, top - 2), (one, y)], BLACK))?;
        y += ROW;
    }
    area.present()?;
    Ok(())
}
