//! Every format from one stored run that holds every verdict and hostile text.

#[cfg(test)]
mod html;
#[cfg(test)]
mod junit;
#[cfg(test)]
mod plain;
#[cfg(test)]
mod runs;
#[cfg(test)]
mod stream;
