from datalogger.protocol.p1.objects import OBJECTS


def test_noise_cannot_fill_the_memory_of_spellings_nor_change_what_is_read() -> None:
    for number in range(2 * OBJECTS.BOUND):
        assert OBJECTS[f"noise {number}"] is None
        assert len(OBJECTS) <= OBJECTS.BOUND
    for _ in range(2):  # parsed, then remembered
        assert OBJECTS["1-0:1.8.1"] == ("1-0:1.8.1*255", "number")
        assert OBJECTS["0-0:96.1.1.255"] == ("0-0:96.1.1*255", "name")
