mod docs;
mod engine;
mod lang;
