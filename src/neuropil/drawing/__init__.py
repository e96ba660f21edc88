"""Numbers into pictures: SVG, HTML, terminal. No torch in any signature."""
