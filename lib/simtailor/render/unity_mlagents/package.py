"""What is used of ``mlagents_envs``, with its messages provided first.

Only what draws imports this; a workflow is planned without the package.
"""

from importlib.metadata import version

from simtailor.render.unity_mlagents.messages import provide_messages

provide_messages()

import grpc  # noqa: E402
from mlagents_envs import logging_util  # noqa: E402
from mlagents_envs.communicator_objects.command_pb2 import QUIT  # noqa: E402
from mlagents_envs.communicator_objects.observation_pb2 import PNG  # noqa: E402
from mlagents_envs.communicator_objects.unity_message_pb2 import UnityMessageProto  # noqa: E402
from mlagents_envs.communicator_objects.unity_output_pb2 import UnityOutputProto  # noqa: E402
from mlagents_envs.communicator_objects.unity_to_external_pb2_grpc import (  # noqa: E402
    UnityToExternalProtoStub,
    add_UnityToExternalProtoServicer_to_server,
)
from mlagents_envs.environment import UnityEnvironment  # noqa: E402
from mlagents_envs.exception import UnityException  # noqa: E402
from mlagents_envs.rpc_communicator import (  # noqa: E402
    RpcCommunicator,
    UnityToExternalServicerImplementation,
)
from mlagents_envs.side_channel.side_channel import (  # noqa: E402
    IncomingMessage,
    OutgoingMessage,
    SideChannel,
)

# Before version 1.0 the package expects the channels of a picture last, since then first. A
# player says either, whatever version of the messages it speaks.
CHANNELS_LAST = int(version("mlagents_envs").split(".")[0]) < 1

__all__ = (
    "CHANNELS_LAST", "PNG", "QUIT", "IncomingMessage", "OutgoingMessage", "RpcCommunicator",
    "SideChannel", "UnityEnvironment", "UnityException", "UnityMessageProto", "UnityOutputProto",
    "UnityToExternalProtoStub", "UnityToExternalServicerImplementation",
    "add_UnityToExternalProtoServicer_to_server", "grpc", "logging_util",
)  # fmt: skip
