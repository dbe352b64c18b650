// Messages to and from the agent: SERVE, FIND_SERVER, SERVER_AT.
#include "ddsnap/wire/codec.h"
#include "ddsnap/wire/shared_structs.h"

namespace ddsnap {

static_assert(sizeof(ddsnap_address) == 108);
static_assert(sizeof(ddsnap_serve) == 156 && offsetof(ddsnap_serve, address) == 48);

static ddsnap_address address_to_wire(std::string_view address) {
  ddsnap_address wire{};
  put_padded(wire.path, address);
  return wire;
}

static std::string address_from_wire(BodyReader& reader, const ddsnap_address& wire) {
  std::string address = get_padded(reader, wire.path);
  reader.require(!address.empty() && address != "@", "an empty address");
  return address;
}

static DevicePair known_pair(BodyReader& reader, const ddsnap_pair& wire) {
  DevicePair pair = from_wire(reader, wire);
  reader.require(
      pair.snapstore.kind != DeviceId::Kind::kNone && pair.origin.kind != DeviceId::Kind::kNone,
      "a pair of devices that names none");
  return pair;
}

static void write_body(BodyWriter& writer, const ServeMessage& message) {
  writer.plain(to_wire(message.pair));
  writer.plain(address_to_wire(message.address));
}
static void read_body(BodyReader& reader, ServeMessage& message) {
  message.pair = known_pair(reader, reader.plain<ddsnap_pair>());
  message.address = address_from_wire(reader, reader.plain<ddsnap_address>());
}

static void write_body(BodyWriter& writer, const FindServerMessage& message) {
  writer.plain(to_wire(message.pair));
}
static void read_body(BodyReader& reader, FindServerMessage& message) {
  message.pair = known_pair(reader, reader.plain<ddsnap_pair>());
}

static void write_body(BodyWriter& writer, const ServerAtMessage& message) {
  writer.plain(address_to_wire(message.address));
}
static void read_body(BodyReader& reader, ServerAtMessage& message) {
  message.address = address_from_wire(reader, reader.plain<ddsnap_address>());
}

DD_MESSAGE(ServeMessage);
DD_MESSAGE(FindServerMessage);
DD_MESSAGE(ServerAtMessage);

}  // namespace ddsnap
