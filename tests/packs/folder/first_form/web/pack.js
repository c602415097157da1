// a script for the editor
