"""python -m datalogger"""

from datalogger.cli import main

if __name__ == "__main__":
    main()
