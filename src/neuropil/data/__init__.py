"""Files and arrays into samples."""
