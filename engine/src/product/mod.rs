//! A product of the catalogue.
