//! What is asked of an implementation, and what is right: data and its typed model.
