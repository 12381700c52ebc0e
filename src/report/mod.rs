//! What there is to say about a network and its runs: tables, pictures, and pages of both.

mod canvas;
mod chart;
mod dot;
mod layout;
mod page;
pub mod speedup;
mod svg;
mod timeline;

pub use chart::{Bar, Series, breakdown, chart};
pub use dot::dot;
pub use page::{Page, loss_page, speedup_page};
pub use svg::{Costs, svg, svg_with_costs};
pub use timeline::timeline;
