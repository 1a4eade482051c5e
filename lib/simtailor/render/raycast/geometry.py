"""Where rays go, as functions of the ray caster's kernels: camera, boxes, flat tops."""

from __future__ import annotations

import warp as wp

from simtailor.render.raycast.records import (
    Assets,
    InstanceRecord,
    MeshRecord,
    Rays,
    SceneRecord,
)


@wp.func
def camera_direction(scene: SceneRecord, x: float, y: float, width: int, height: int):
    """Return where a point of the picture, in pixels, lies: 1 long along the camera's axis."""
    aspect = float(height) / float(width)
    px = (x / float(width) * 2.0 - 1.0 - scene.principal[0]) * scene.tangent
    upwards = (1.0 - y / float(height) * 2.0) * aspect + scene.principal[1]
    py = upwards * scene.tangent / scene.stretch
    return wp.vec3(px, py, -1.0)


@wp.func
def misses_box(origin: wp.vec3, direction: wp.vec3, low: wp.vec3, high: wp.vec3):
    """Return whether a ray passes by a box that is level with the axes."""
    enter = float(0.0)
    leave = float(1.0e30)
    for axis in range(3):
        along = direction[axis]
        if wp.abs(along) < 1.0e-12:
            along = 1.0e-12
        a = (low[axis] - origin[axis]) / along
        b = (high[axis] - origin[axis]) / along
        enter = wp.max(enter, wp.min(a, b))
        leave = wp.min(leave, wp.max(a, b))
    return enter > leave


@wp.func
def clear_top_distance(mesh: MeshRecord, origin: wp.vec3, direction: wp.vec3):
    """Distance along a ray from above to the mesh's clear top, or -1."""
    distance = float(-1.0)
    if mesh.clear_top > 0 and direction[1] < 0.0 and origin[1] > mesh.clear_low[1]:
        along = (mesh.clear_low[1] - origin[1]) / direction[1]
        x = origin[0] + along * direction[0]
        z = origin[2] + along * direction[2]
        if (
            x >= mesh.clear_low[0]
            and x <= mesh.clear_high[0]
            and z >= mesh.clear_low[2]
            and z <= mesh.clear_high[2]
        ):
            distance = along
    return distance


@wp.func
def clear_top_weights(assets: Assets, mesh: MeshRecord, face: int, point: wp.vec3):
    """Barycentric weights of a point in face 0 or 1, seen from above."""
    corners = assets.faces[mesh.first_face + face]
    a = assets.points[mesh.first_vertex + corners[0]]
    b = assets.points[mesh.first_vertex + corners[1]]
    c = assets.points[mesh.first_vertex + corners[2]]
    area = (b[0] - a[0]) * (c[2] - a[2]) - (c[0] - a[0]) * (b[2] - a[2])
    of_b = ((point[0] - a[0]) * (c[2] - a[2]) - (c[0] - a[0]) * (point[2] - a[2])) / area
    of_c = ((b[0] - a[0]) * (point[2] - a[2]) - (point[0] - a[0]) * (b[2] - a[2])) / area
    return wp.vec3(1.0 - of_b - of_c, of_b, of_c)


@wp.func
def clear_top_hit(assets: Assets, mesh: MeshRecord, point: wp.vec3):
    """Return face and weights of a point of the clear top."""
    face = int(0)
    weights = clear_top_weights(assets, mesh, 0, point)
    if wp.min(weights) < 0.0:
        face = 1
        weights = clear_top_weights(assets, mesh, 1, point)
    return face, wp.vec2(weights[0], weights[1])


@wp.func
def local_ray(instance: InstanceRecord, origin: wp.vec3, direction: wp.vec3):
    """Return a ray's origin and direction as the instance's mesh has them."""
    inverse = wp.transpose(instance.rotation)
    return inverse * (origin - instance.position) / instance.scale, inverse * direction


@wp.func
def hit_clear_top(
    rays: Rays,
    i: int,
    k: int,
    assets: Assets,
    instance: InstanceRecord,
    origin: wp.vec3,
    direction: wp.vec3,
):
    """Take the clear top of instance ``k`` as a hit if it is nearer; return whether it is met."""
    mesh = assets.meshes[instance.mesh]
    top = clear_top_distance(mesh, origin, direction)
    if top > 0.0 and top * instance.scale < rays.distance[i]:
        face, weights = clear_top_hit(assets, mesh, origin + direction * top)
        rays.distance[i] = top * instance.scale
        rays.instance[i] = k
        rays.face[i] = face
        rays.weights[i] = weights
    return top > 0.0
