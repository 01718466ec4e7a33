"""What is written: where it may lie, by whom, whole or not at all, and what a disk refuses."""
