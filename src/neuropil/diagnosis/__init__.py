"""What went wrong in a run: measured, judged by a rule a fault, said in a sentence, drawn on a page."""
