# What writes and reads of one volume cost on dm-linear, on ddsnap's origin with so many snapshots, on dm-snapshot and on dm-thin: all
# on the same two disks in one boot, taking turns. Prints one line a measurement, for kernel_targets_bench.py.
# disks: 256M 2G
# modules: dm-snapshot dm-thin-pool
# programs: fio
# timeout: 7200
# memory: 1024
#
# Told by -e: ROUNDS, and SYSTEMS, words of the form KIND:CHUNK:SNAPSHOTS (CHUNK in KiB) separated by commas.
. /lib.sh
. /systems.sh

# Of what is written for the first time there is only so much; what may be done again and again is done for a while.
beginning=64M # which fresh-64k leaves written
a_while="--time_based --runtime=2 --iodepth=16"

measure_all() {
  fio_on $volume fresh-4k --rw=randwrite --bs=4k --iodepth=16 --io_size=32M
  ${kind}_renew
  fio_on $volume fresh-64k --rw=write --bs=64k --iodepth=16 --io_size=$beginning
  fio_on $volume again-4k --rw=randwrite --bs=4k --size=$beginning $a_while
  fio_on $volume again-64k --rw=write --bs=64k --size=$beginning $a_while
  ${kind}_renew
  fio_on $volume fresh-4k-alone --rw=randwrite --bs=4k --iodepth=1 --io_size=4M
  fio_on $volume read-4k --rw=randread --bs=4k $a_while
}

for_each_system measure_all
