//! Columns: aligned for a person, separated by tabs for a program.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::exit::Stop;
use crate::out::Out;
use crate::screen::Screen;
use crate::text::fitted;

/// On which side a column is aligned.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Side {
    Left,
    Right,
}

/// A cell, and how it looks.
pub(crate) struct Cell {
    text: String,
    style: Style,
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Cell {
        Cell { text: text.into(), style }
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Cell {
        Cell::styled(text, Style::new())
    }
}

impl From<&str> for Cell {
    fn from(text: &str) -> Cell {
        text.to_owned().into()
    }
}

/// Rows of cells. No cell has a tab or a line break in it: `text::shown` escapes both.
pub(crate) struct Table {
    sides: Vec<Side>,
    rows: Vec<Vec<Cell>>,
    fitted: Option<usize>,
}

impl Table {
    /// With a heading for each column.
    pub(crate) fn new<const N: usize>(columns: [(&str, Side); N]) -> Table {
        let heading = columns.iter().map(|(name, _)| Cell::styled(*name, Style::new().bold()));
        Table { rows: vec![heading.collect()], ..Table::without_heading(columns.map(|c| c.1)) }
    }

    pub(crate) fn without_heading<const N: usize>(sides: [Side; N]) -> Table {
        Table { sides: sides.to_vec(), rows: Vec::new(), fitted: None }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// Lets a column have at most a third of a terminal. For a program, nothing is cut off.
    pub(crate) fn fitted(mut self, column: usize) -> Table {
        self.fitted = Some(column);
        self
    }

    pub(crate) fn print(mut self, out: &mut Out) -> Result<(), Stop> {
        if !out.is_terminal() {
            return self.rows.iter().try_for_each(|row| out.line(&tabs(row)));
        }
        if let Some(column) = self.fitted {
            let most = Screen::size().0 / 3;
            for row in &mut self.rows {
                row[column].text = fitted(&row[column].text, most).into_owned();
            }
        }
        let widths = self.widths();
        self.rows.iter().try_for_each(|row| out.line(&aligned(row, &self.sides, &widths)))
    }

    fn widths(&self) -> Vec<usize> {
        let width_of = |column: usize| self.rows.iter().map(|row| row[column].text.width()).max();
        (0..self.sides.len()).map(|column| width_of(column).unwrap_or(0)).collect()
    }
}

fn aligned(row: &[Cell], sides: &[Side], widths: &[usize]) -> String {
    let mut line = String::new();
    for (i, Cell { text, style }) in row.iter().enumerate() {
        let space = " ".repeat(widths[i].saturating_sub(text.width()));
        let is_last = i + 1 == row.len();
        if sides[i] == Side::Right {
            line += &space;
        }
        line += &format!("{style}{text}{style:#}");
        if sides[i] == Side::Left && !is_last {
            line += &space;
        }
        if !is_last {
            line += "  ";
        }
    }
    line
}

fn tabs(row: &[Cell]) -> String {
    let cells: Vec<_> =
        row.iter().map(|Cell { text, style }| format!("{style}{text}{style:#}")).collect();
    cells.join("\t")
}
