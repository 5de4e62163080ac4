//! The probe script in real shells.
mod frame;
mod hostile;
mod overlay;
mod payload;
mod places;
mod support;
