"""The command line: everybody's messages, one clear line for an error, an exit code that means something.

Exit codes: 0 done; 1 a publish or check exists and failed; 2 refused before it existed; 3 no studio or broker;
4 conflict; 5 not allowed; 6 busy or deadline. A traceback is shown only with `--debug`.
"""
