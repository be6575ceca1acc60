//! Columns: aligned for a person, separated by tabs for a program.

use anstyle::Style;
use unicode_width::UnicodeWidthStr;

use crate::exit::Stop;
use crate::out::Out;
use crate::screen::Screen;
use crate::users::Users;

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
    /// If it has processes, they can be shown in less room.
    users: Option<Users>,
}

impl Cell {
    pub(crate) fn styled(text: impl Into<String>, style: Style) -> Cell {
        Cell { text: text.into(), style, users: None }
    }

    fn drawn(&self) -> String {
        let Cell { text, style, .. } = self;
        format!("{style}{text}{style:#}")
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

impl From<Users> for Cell {
    fn from(users: Users) -> Cell {
        let text = users.whole().to_owned();
        Cell { text, style: Style::new(), users: Some(users) }
    }
}

/// Rows of cells. No cell has a tab or a line break in it: `text::shown` escapes both.
pub(crate) struct Table {
    sides: Vec<Side>,
    has_heading: bool,
    rows: Vec<Vec<Cell>>,
}

/// Between two columns.
const GAP: usize = 2;

/// What the last column gets in its line, if it is longer: it is broken there by the terminal. In
/// less room it goes to a line of its own.
const LEAST_OF_LAST: usize = 20;

/// What processes get at least in one line with the last column: a number, a name and a count.
const LEAST_OF_USERS: usize = 16;

/// What they get at least if the last column is below: a number and a count.
const LEAST_ABOVE_LAST: usize = 10;

impl Table {
    /// With a heading for each column.
    pub(crate) fn new<const N: usize>(columns: [(&str, Side); N]) -> Table {
        let heading = columns.iter().map(|(name, _)| Cell::styled(*name, Style::new().bold()));
        Table {
            has_heading: true,
            rows: vec![heading.collect()],
            ..Table::without_heading(columns.map(|c| c.1))
        }
    }

    pub(crate) fn without_heading<const N: usize>(sides: [Side; N]) -> Table {
        Table { sides: sides.to_vec(), has_heading: false, rows: Vec::new() }
    }

    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.rows.push(cells.into());
    }

    /// For a program, nothing is cut off. For a person, only processes are, which have a count
    /// then. What is still too wide for the terminal has the last column below the others; or, if
    /// these are too wide too, a line for each cell.
    pub(crate) fn print(mut self, out: &mut Out) -> Result<(), Stop> {
        if !out.is_terminal() {
            return self.rows.iter().try_for_each(|row| out.line(&tabs(row)));
        }
        let columns = Screen::size().0;
        let (last, before) = self.least_widths(LEAST_OF_USERS);
        if !self.has_heading || before + GAP + last.min(LEAST_OF_LAST) <= columns {
            // If the last column is long, it is broken before processes are left out.
            let last = (columns - before.min(columns)).saturating_sub(GAP).min(last);
            self.fit_users(columns.saturating_sub(GAP + last));
            let widths = self.widths();
            let mut rows = self.rows.iter();
            return rows.try_for_each(|row| out.line(&aligned(row, &self.sides, &widths)));
        }
        if self.least_widths(LEAST_ABOVE_LAST).1 <= columns {
            self.fit_users(columns);
            let widths = self.widths();
            return self.rows.iter().try_for_each(|row| {
                let Some((last, others)) = row.split_last() else { return Ok(()) };
                out.line(&aligned(others, &self.sides, &widths))?;
                out.line(&format!("  {}", last.drawn()))
            });
        }
        self.print_cells(out)
    }

    /// A line for each cell, behind the heading of its column.
    fn print_cells(&self, out: &mut Out) -> Result<(), Stop> {
        let Some((heading, rows)) = self.rows.split_first() else { return Ok(()) };
        let width = heading.iter().map(|cell| cell.text.width()).max().unwrap_or(0);
        for (i, row) in rows.iter().enumerate() {
            if i > 0 {
                out.line("")?;
            }
            for (name, cell) in heading.iter().zip(row) {
                let space = " ".repeat(width - name.text.width() + GAP);
                out.line(&format!("{}{space}{}", name.drawn(), cell.drawn()))?;
            }
        }
        Ok(())
    }

    /// The width of the last column, and that of the others if the processes get so many.
    fn least_widths(&self, of_users: usize) -> (usize, usize) {
        let mut widths = self.widths();
        if let Some(column) = self.of_users() {
            widths[column] = widths[column].min(of_users);
        }
        let last = widths.pop().unwrap_or(0);
        (last, widths.iter().sum::<usize>() + GAP * widths.len().saturating_sub(1))
    }

    /// The column with processes.
    fn of_users(&self) -> Option<usize> {
        self.rows.iter().find_map(|row| row.iter().position(|cell| cell.users.is_some()))
    }

    /// Gives the processes what the other columns before the last one leave of so many.
    fn fit_users(&mut self, columns: usize) {
        let Some(column) = self.of_users() else { return };
        let widths = self.widths();
        let before = &widths[..widths.len() - 1];
        let others = before.iter().sum::<usize>() + GAP * (before.len() - 1) - widths[column];
        let room = columns.saturating_sub(others);
        for Cell { text, users, .. } in self.rows.iter_mut().map(|row| &mut row[column]) {
            if let Some(users) = users {
                *text = users.fitted(room);
            }
        }
    }

    fn widths(&self) -> Vec<usize> {
        let width_of = |column: usize| self.rows.iter().map(|row| row[column].text.width()).max();
        (0..self.sides.len()).map(|column| width_of(column).unwrap_or(0)).collect()
    }
}

fn aligned(row: &[Cell], sides: &[Side], widths: &[usize]) -> String {
    let mut line = String::new();
    for (i, cell) in row.iter().enumerate() {
        let space = " ".repeat(widths[i].saturating_sub(cell.text.width()));
        let is_last = i + 1 == row.len();
        if sides[i] == Side::Right {
            line += &space;
        }
        line += &cell.drawn();
        if sides[i] == Side::Left && !is_last {
            line += &space;
        }
        if !is_last {
            line += &" ".repeat(GAP);
        }
    }
    line
}

fn tabs(row: &[Cell]) -> String {
    row.iter().map(Cell::drawn).collect::<Vec<_>>().join("\t")
}
