"""What a batch made, in the forms others take: tables, an archive, contact sheets, feeds for shops.

Everything here reads `pictures`, a page of tasks at a time, so that a batch of any size can be taken out with little
memory. HTTP stays in `service.routes`. Nothing here changes anything but `returning`, which brings the tasks of an old
batch back into Redis first.
"""
