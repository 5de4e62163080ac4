mod docs;
mod engine;
