//! (filled soon)
