//! What came of a run, for people and for programs.

mod chart;
mod html;
mod json;
mod summary;
mod table;
mod targets;

pub use html::html;
pub use json::json;
pub use summary::{Totals, line};
pub use table::table;
pub use targets::missed;
