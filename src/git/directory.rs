//! Directories that this room makes and empties. **Invariant:** no symbolic link is followed while removing.

use std::fs;
use std::path::Path;

use super::Error;

/// Makes `dir` an empty directory, whatever was in it; it itself stays, since it may be a mount point.
pub fn emptied(dir: &Path) -> Result<(), Error> {
    fs::create_dir_all(dir).map_err(Error::io("make the directory", dir))?;
    for entry in fs::read_dir(dir).map_err(Error::io("read the directory", dir))? {
        let path = entry.map_err(Error::io("read the directory", dir))?.path();
        removed(&path)?;
    }
    Ok(())
}

/// Removes a file or a whole directory, if it is there.
pub(super) fn removed(path: &Path) -> Result<(), Error> {
    let gone = match fs::symlink_metadata(path) {
        Err(error) => Err(error),
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    };
    match gone {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => Err(Error::io("remove", path)(error)),
        Ok(()) | Err(_) => Ok(()),
    }
}
