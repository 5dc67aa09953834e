"""The durable log: the only user of its SQLite file. `spool.Spool` is the door; the rest, from RAM to disk:

RAM      tail (all that is not on disk) · pending (one sink's backlog) · losses (what is given up, counted and said)
between  keeper (commits, and what they change in RAM) · upkeep (bounds, age, orphans, salvage, requests)
disk     store (the one thread, and failing disks) · log (transactions) · cursors · bodies · quarantine · database
         lock · private (file modes) · faults (disk errors in people's words)
rules    eviction · thinning · salvage
people   inspection (another process looks) · requests (another process asks)
"""
