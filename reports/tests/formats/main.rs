//! Every format from one stored run that holds every verdict and hostile text.

#[cfg(test)]
mod every;
#[cfg(test)]
mod html;
#[cfg(test)]
mod junit;
#[cfg(test)]
mod merge;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod programs;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod schema;
#[cfg(test)]
mod stream;
