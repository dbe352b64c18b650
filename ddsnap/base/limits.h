// Every maximum of the project, in one place. A limit that is reached is an error with a sentence,
// never an assertion (T7).
#pragma once

#include <cstddef>
#include <cstdint>

namespace ddsnap {

// Names
inline constexpr std::size_t kMaxTagBytes = 63;
inline constexpr std::size_t kMaxSocketPathBytes = 107;  // sun_path less its terminator
inline constexpr std::size_t kMaxPathBytes = 1024;       // of devices, as told over the socket

// Store
inline constexpr std::uint32_t kMaxSnapshots = 65536;        // live ones
inline constexpr std::uint32_t kMaxBoundaries = 131072;      // snapshots and bookmarks
inline constexpr std::uint32_t kMaxAttachments = 16384;      // durable ones
inline constexpr unsigned kMaxRemovedBookmarksPerTurn = 32;  // to make room for metadata
inline constexpr std::uint32_t kMaxBatchChunks = 256;        // copied out under one flush
inline constexpr std::size_t kBatchBufferBytes = 8u << 20;   // preallocated for a batch's chunks
inline constexpr std::size_t kMaxRecordBytes = 64u << 10;    // one journal record
inline constexpr std::size_t kDefaultCacheBytes = 8u << 20;  // metadata blocks kept in memory (-k)

inline constexpr std::size_t kCheckPieceBytes = 1u << 20;  // read by one piece of a check
inline constexpr std::size_t kMaxDamagesPerPiece = 512;    // told exactly
// How far behind a 32nd of the device a lost superblock is looked for: the largest journal.
inline constexpr std::uint64_t kSuperblockSearchBytes = 1088u << 20;

// Protocol
inline constexpr std::size_t kMaxMessageBytes = 64u << 10;  // header included
inline constexpr std::uint32_t kMaxRangesPerMessage = 1024;
inline constexpr std::uint32_t kMaxChunksPerQuestion = 65536;
inline constexpr std::uint32_t kMaxChunksPerAnswer = 1024;     // LOCATED entries in one message
inline constexpr std::uint32_t kMaxSnapshotListEntries = 400;  // in one SNAPSHOT_LIST
inline constexpr std::uint32_t kMaxTargetListEntries = 400;    // in one TARGET_LIST
inline constexpr std::uint32_t kMaxChangelistEntries = 4096;   // in one CHANGELIST_PART
inline constexpr std::size_t kMaxStatusTextBytes = 480;        // one sentence of SERVER_STATUS
inline constexpr std::uint32_t kMaxStatusWarnings = 16;
inline constexpr std::uint32_t kMaxSpaceEntries = 64;    // in one SPACE_LIST: each costs an AND
inline constexpr std::uint32_t kMaxEventEntries = 120;   // in one EVENT_LIST
inline constexpr std::uint32_t kMaxCheckEntries = 1536;  // in one CHECK_PART
inline constexpr std::size_t kMaxFindingBytes = 256;     // of a text in it
inline constexpr std::uint32_t kMaxConnections = 20000;
inline constexpr std::size_t kMaxOutputBytes = 1u
                                               << 20;  // queued for one connection before it is cut
inline constexpr std::uint32_t kMaxMessagesPerTurn =
    64;  // taken from one connection in one turn of the loop
inline constexpr std::uint64_t kPatience_ms =
    10'000;  // for the rest of a half-sent message, for HELLO
inline constexpr std::uint64_t kBarrierDeadline_ms = 30'000;

// Server and agent
inline constexpr std::size_t kMaxLogLines = 1024;  // waiting for the log's thread
inline constexpr std::size_t kMaxLogLineBytes = 480;
inline constexpr std::size_t kMaxEvents = 512;  // a server remembers
inline constexpr std::uint32_t kMaxQueuedCreates = 64;
inline constexpr std::uint32_t kMaxParkedQuestions = 1024;  // of one session
inline constexpr std::uint32_t kFairShareChunks = 16;       // taken from one session in its turn
inline constexpr std::uint32_t kMaxLooksPerTurn = 16384;    // chunks looked at in one turn
inline constexpr std::uint32_t kMaxLocatesPerTurn = 4096;   // chunks located in one turn
inline constexpr std::uint32_t kMaxDrainStepsPerTurn = 8;   // of background work, when full
inline constexpr std::uint32_t kMaxChangesPerPage = 2048;
inline constexpr std::uint32_t kMaxCachedChangelists = 16;
inline constexpr std::uint32_t kMaxProbesPerTurn = 64;
inline constexpr std::uint64_t kProbeInterval_ms = 2'000;  // of absent targets
inline constexpr std::uint32_t kMaxDropsPerTurn = 64;      // each costs a flush
inline constexpr std::uint64_t kSwapLookInterval_ms = 30'000;
inline constexpr std::uint64_t kClosedNoteInterval_ms = 1'000;
inline constexpr std::uint64_t kDropDeadline_ms = 5'000;  // for DROPPED_ACK
inline constexpr std::uint64_t kInvalidateDeadline_ms = 10'000;
inline constexpr std::uint64_t kSealAfter_ms = 200;  // of quiet
inline constexpr std::uint64_t kAgentRetryMin_ms = 50;
inline constexpr std::uint64_t kAgentRetryMax_ms = 2'000;
inline constexpr std::uint32_t kMaxRegistrations = 4096;  // of the agent

// Devices
inline constexpr std::uint32_t kIoQueueDepth = 128;        // requests of a batch in flight at once
inline constexpr std::uint32_t kIoPoolThreads = 16;        // where io_uring is not to be had
inline constexpr std::size_t kZeroBufferBytes = 1u << 20;  // written over and over for zeros
inline constexpr std::size_t kMaxNbdTransferBytes = 32u << 20;  // one READ or WRITE (NBD protocol)
inline constexpr std::uint64_t kMaxNbdRangeBytes = 1u << 30;    // one TRIM, ZERO or BLOCK_STATUS

// Deltas
inline constexpr std::uint32_t kFrameDataBytes = 256u << 10;   // content of a frame, as we write it
inline constexpr std::uint32_t kMaxFrameDataBytes = 1u << 20;  // as we read it; one largest chunk
inline constexpr std::uint32_t kMaxFrameEntries = 1024;
inline constexpr std::uint32_t kMaxFrameDataBytesOfVersion2 = 32u << 20;
inline constexpr std::uint32_t kMaxLongFrameDataBytes = 128u << 20;  // of deltas of version 3
inline constexpr std::uint32_t kMaxLongFrameEntries = 32768;
// What making and applying hold of frames at once, at most: old and new content, compressed, twice
// over or on its way to the target.
inline constexpr std::size_t kFramesInMemory = 5;
inline constexpr std::size_t kFramesInMemoryToLook = 2;      // without a target
inline constexpr std::uint32_t kMaxRunChunks = 65535;        // of one entry
inline constexpr std::size_t kApplyWindowBytes = 32u << 20;  // content journalled at once
inline constexpr std::size_t kMaxApplyWindowFrames = 4096;
inline constexpr std::size_t kMaxTargetSamples = 64;  // remembered with one target
inline constexpr std::size_t kMaxApplyStateBytes = 256u << 20;
inline constexpr std::size_t kScanPieceBytes = 4u << 20;     // looked at by one thread in one go
inline constexpr std::uint64_t kScanRegionBytes = 1u << 30;  // asked for holes in one go
inline constexpr std::uint32_t kMaxDigestBlockHashes = 4096;
inline constexpr std::size_t kRbdRecordBytes = 4u << 20;    // of data, as we write it: an object
inline constexpr std::size_t kMaxRbdMetadataBytes = 4096;   // one record, as Ceph limits it
inline constexpr std::size_t kMaxMergedDeltas = 256;        // at once; each is an open file
inline constexpr std::size_t kMergeCacheBytes = 64u << 20;  // decoded frames kept for differences
inline constexpr std::size_t kMaxRememberedDeltas = 64;     // with one target
inline constexpr std::size_t kMaxReportedRanges = 64;       // in what verify tells
inline constexpr std::size_t kReadPieceBytes = 1u << 20;    // read of a device or stream in one go
inline constexpr std::uint32_t kLookAheadChunks = 16384;    // told to a device before they are read
inline constexpr std::uint64_t kHoleWindowBytes = 1u << 30;  // asked for holes in one go

inline constexpr std::size_t kFrameGroupBytes = 4u
                                                << 20;  // of frames whose chunks are read at once
inline constexpr std::size_t kMaxFramesInFlight = 256;

// Long work: deltas, comparisons
inline constexpr unsigned kMaxWorkers = 64;
inline constexpr std::size_t kDefaultWorkMemoryBytes = 256u << 20;  // --memory
inline constexpr std::size_t kMinWorkMemoryBytes = 8u << 20;
inline constexpr std::uint32_t kDefaultBacklog = 24;  // deltas in an outbox that wait

// Sessions between machines
inline constexpr std::size_t kSessionPieceBytes = 256u << 10;  // of a delta, in one FRAME
inline constexpr std::size_t kMaxSessionBodyBytes = kSessionPieceBytes + 64;
inline constexpr std::size_t kMaxHelloBytes = 1024;         // of the first message of a stranger
inline constexpr std::uint32_t kMaxSessionUuids = 4096;     // told by a receiver, newest first
inline constexpr std::size_t kMaxSessionNameBytes = 63;     // of a volume, as a listener names it
inline constexpr std::size_t kMaxSessionErrorBytes = 1024;  // of the sentence in an ERROR
inline constexpr std::size_t kMaxSessionAheadBytes = 1u << 20;  // arrived while we were writing
inline constexpr std::size_t kSessionWindowBytes = 8u << 20;    // made durable at once
inline constexpr std::uint32_t kMaxSessionWindowChunks = 16384;
inline constexpr std::size_t kMaxSessionWindowBytes = 64u << 20;
inline constexpr unsigned kSessionWindowsAhead = 4;           // sent, and not known to be durable
inline constexpr unsigned kSessionHashWindows = 16;           // hashed ahead of what was dealt with
inline constexpr std::size_t kSessionHashBytes = 512u << 10;  // and so many bytes of hashes
inline constexpr std::uint64_t kSessionHelloPatience_ms = 10'000;  // with a stranger
inline constexpr std::uint64_t kSessionPatience_ms = 300'000;      // with one we know
// Whoever sends or takes less than this a second is given up.
inline constexpr std::uint64_t kMinSessionBytesPerSecond = 1024;
inline constexpr std::uint64_t kMinSessionRateBytes = 16u << 10;  // -l
inline constexpr unsigned kMaxSessions = 32;                      // of one listener
inline constexpr std::size_t kMaxKeyFileBytes = 4096;
inline constexpr std::size_t kMinKeyCharacters = 32;

// Command line
inline constexpr std::uint64_t kConnectTimeout_ms = 10'000;
// For an answer: longer than a barrier may take.
inline constexpr std::uint64_t kAnswerTimeout_ms = kBarrierDeadline_ms + 30'000;
// Barriers of a group held, file systems frozen (--timeout).
inline constexpr std::uint64_t kTogetherTimeout_ms = 10'000;
inline constexpr std::size_t kMaxGroup = 64;
inline constexpr std::size_t kMaxFrozenMounts = 64;
// How often a create whose answer was lost is asked again, with the same uuid (S6).
inline constexpr int kMaxCreateRetries = 5;

// Userspace targets
inline constexpr std::uint64_t kAgentPatience_ms = 2'000;   // then the last known address is tried
inline constexpr std::uint64_t kHelloPatience_ms = 60'000;  // an attach waits for a barrier's end
inline constexpr std::uint64_t kDetachPatience_ms = 2'000;
inline constexpr std::uint64_t kFirstBackoff_ms = 20;
inline constexpr std::uint64_t kLastBackoff_ms = 2'000;
inline constexpr std::uint32_t kMaxWriteChunks = 64;        // of one write in flight
inline constexpr std::uint32_t kMaxAskedChunks = 1024;      // in one PREPARE_WRITE of ours
inline constexpr std::size_t kMaxOutstandingQuestions = 2;  // PREPARE_WRITEs of one target
inline constexpr std::uint32_t kMaxReadChunks = 256;        // of a snapshot, under one LOCATE
inline constexpr std::size_t kMaxCachedSlots = 1u << 16;    // of one snapshot target

}  // namespace ddsnap
