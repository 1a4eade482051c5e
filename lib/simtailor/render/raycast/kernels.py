"""Warp kernels of the ray caster: camera, tracing, shading and film.

A picture is made in steps, each one launch over a list of pixels: rays leave the camera, a
tracer finds what they hit, hits are shaded, a tracer finds which are in shadow, and the film
takes them up. All that a pixel needs depends on its scene and its position alone, so the bytes
are the same whatever the order, size and splitting of the list.
"""

from __future__ import annotations

import warp as wp

from simtailor.render.raycast.records import (
    Assets,
    InstanceRecord,
    MeshRecord,
    Rays,
    SceneRecord,
)
from simtailor.render.raycast.shading import (
    PI,
    encoded,
    reflected_light,
    sky_radiance,
)

FAR = wp.constant(1.0e6)
MAXIMUM_RADIANCE = wp.constant(20.0)
SHADOW_OFFSET = wp.constant(2.0e-3)
CENTRE = wp.constant(-1)  # instead of a sample's number: a pinhole ray through the pixel's centre


@wp.func
def camera_direction(scene: SceneRecord, x: float, y: float, width: int, height: int):
    """Return where a point of the picture, in pixels, lies: 1 long along the camera's axis."""
    aspect = float(height) / float(width)
    px = (x / float(width) * 2.0 - 1.0) * scene.tangent
    py = (1.0 - y / float(height) * 2.0) * scene.tangent * aspect
    return wp.vec3(px, py, -1.0)


@wp.kernel(enable_backward=False)
def start_rays(
    rays: Rays,
    scenes: wp.array(dtype=SceneRecord),
    width: int,
    height: int,
    sample: int,
    samples: int,
):
    """Send a ray a pixel. The first sample, or ``CENTRE``, begins the pixel's random numbers."""
    i = wp.tid()
    scene = scenes[rays.scene[i]]
    pixel = rays.pixel[i]
    if sample <= 0:
        rays.random[i] = wp.rand_init(scene.seed, pixel)
        rays.total[i] = wp.vec3(0.0)
    random = rays.random[i]
    jitter_x = float(0.5)
    jitter_y = float(0.5)
    lens_x = float(0.0)
    lens_y = float(0.0)
    if sample >= 0:
        if samples > 1:
            jitter_x = (float(sample) + wp.randf(random)) / float(samples)
            jitter_y = wp.randf(random)
        if scene.aperture > 0.0:
            radius = wp.sqrt(wp.randf(random)) * scene.aperture
            angle = 2.0 * PI * wp.randf(random)
            lens_x = radius * wp.cos(angle)
            lens_y = radius * wp.sin(angle)
    light = scene.light_direction
    if scene.light_softness > 0.0:
        light = wp.normalize(
            light
            + wp.vec3(wp.randf(random) - 0.5, wp.randf(random) - 0.5, wp.randf(random) - 0.5)
            * (2.0 * scene.light_softness)
        )
    rays.random[i] = random
    x = float(pixel % width) + jitter_x
    y = float(pixel / width) + jitter_y
    through = camera_direction(scene, x, y, width, height) * scene.focus
    through -= wp.vec3(lens_x, lens_y, 0.0)
    rays.origin[i] = scene.eye + scene.camera * wp.vec3(lens_x, lens_y, 0.0)
    rays.direction[i] = wp.normalize(scene.camera * through)
    rays.light[i] = light
    rays.distance[i] = FAR
    rays.instance[i] = -1


@wp.func
def misses_sphere(origin: wp.vec3, direction: wp.vec3, centre: wp.vec3, radius: float):
    to_centre = centre - origin
    along = wp.dot(to_centre, direction)
    distance2 = wp.dot(to_centre, to_centre)
    return distance2 - along * along > radius * radius or (
        along < 0.0 and distance2 > radius * radius
    )


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


@wp.kernel(enable_backward=False)
def trace_rays(rays: Rays, instances: wp.array2d(dtype=InstanceRecord), assets: Assets):
    """Find the nearest hit of each ray with Warp's own hierarchies."""
    i = wp.tid()
    s = rays.scene[i]
    for k in range(instances.shape[1]):
        instance = instances[s, k]
        if instance.mesh >= 0:
            mesh = assets.meshes[instance.mesh]
            origin, direction = local_ray(instance, rays.origin[i], rays.direction[i])
            if not hit_clear_top(
                rays, i, k, assets, instance, origin, direction
            ) and not misses_sphere(origin, direction, mesh.centre, mesh.radius):
                nearest = rays.distance[i]
                query = wp.mesh_query_ray(mesh.id, origin, direction, nearest / instance.scale)
                if query.result:
                    if query.t * instance.scale < nearest:
                        rays.distance[i] = query.t * instance.scale
                        rays.instance[i] = k
                        rays.face[i] = query.face
                        rays.weights[i] = wp.vec2(query.u, query.v)


@wp.kernel(enable_backward=False)
def trace_shadows(rays: Rays, instances: wp.array2d(dtype=InstanceRecord), assets: Assets):
    """Find which rays towards the light are blocked, with Warp's own hierarchies."""
    i = wp.tid()
    s = rays.scene[i]
    shadow = rays.shadowed[i] > 0
    for k in range(instances.shape[1]):
        instance = instances[s, k]
        if instance.mesh >= 0 and instance.casts_shadow > 0 and not shadow:
            mesh = assets.meshes[instance.mesh]
            origin, direction = local_ray(instance, rays.lit_point[i], rays.light[i])
            if not misses_sphere(origin, direction, mesh.centre, mesh.radius):
                shadow = wp.mesh_query_ray_anyhit(mesh.id, origin, direction, FAR)
    rays.shadowed[i] = int(shadow)


@wp.kernel(enable_backward=False)
def shade_hits(
    rays: Rays,
    scenes: wp.array(dtype=SceneRecord),
    instances: wp.array2d(dtype=InstanceRecord),
    assets: Assets,
    width: int,
):
    """Compute the light that each ray brings from all around, and from the light itself."""
    i = wp.tid()
    s = rays.scene[i]
    scene = scenes[s]
    direction = rays.direction[i]
    light = rays.light[i]
    k = rays.instance[i]
    shadowed = int(1)
    if k < 0:
        rays.colour[i] = sky_radiance(assets, scene, direction)
    else:
        instance = instances[s, k]
        distance = rays.distance[i]
        pixel_angle = 2.0 * scene.tangent / float(width)
        colour, direct, normal = reflected_light(
            assets,
            scene,
            instance,
            rays.face[i],
            rays.weights[i],
            direction,
            light,
            distance * pixel_angle,
        )
        rays.colour[i] = colour
        if wp.dot(normal, light) > 0.0:
            shadowed = 0
            rays.direct[i] = direct
            rays.lit_point[i] = rays.origin[i] + direction * distance + normal * SHADOW_OFFSET
    rays.shadowed[i] = shadowed


@wp.kernel(enable_backward=False)
def add_sample(rays: Rays):
    """Add what each ray brought to its pixel."""
    i = wp.tid()
    colour = rays.colour[i]
    if rays.shadowed[i] == 0:
        colour += rays.direct[i]
    rays.total[i] = rays.total[i] + wp.min(colour, wp.vec3(MAXIMUM_RADIANCE))


@wp.kernel(enable_backward=False)
def expose(
    rays: Rays,
    scenes: wp.array(dtype=SceneRecord),
    samples: int,
    images: wp.array3d(dtype=wp.uint8),
):
    """Write pixels of images, [B, pixels, 3]."""
    i = wp.tid()
    s = rays.scene[i]
    levels = encoded(rays.total[i] * (scenes[s].exposure / float(samples)))
    for channel in range(3):
        images[s, rays.pixel[i], channel] = wp.uint8(levels[channel] + 0.5)


@wp.kernel(enable_backward=False)
def look(
    rays: Rays,
    scenes: wp.array(dtype=SceneRecord),
    instances: wp.array2d(dtype=InstanceRecord),
    masks: wp.array2d(dtype=wp.uint8),
    depth: wp.array2d(dtype=float),
):
    """Write label and depth of what the rays hit; an array without elements is passed over."""
    i = wp.tid()
    s = rays.scene[i]
    k = rays.instance[i]
    label = int(0)
    seen = float(wp.inf)
    if k >= 0:
        label = instances[s, k].label
        seen = rays.distance[i] * wp.dot(
            rays.direction[i], scenes[s].camera * wp.vec3(0.0, 0.0, -1.0)
        )
    if masks.shape[0] > 0:
        masks[s, rays.pixel[i]] = wp.uint8(label)
    if depth.shape[0] > 0:
        depth[s, rays.pixel[i]] = seen


@wp.kernel(enable_backward=False)
def mark_contrast(
    images: wp.array3d(dtype=wp.uint8),
    width: int,
    height: int,
    threshold: int,
    marks: wp.array2d(dtype=wp.uint8),
):
    """Mark pixels around which some channel's levels differ by more than the threshold."""
    s, row, column = wp.tid()
    most = int(0)
    for channel in range(3):
        low = int(255)
        high = int(0)
        for y in range(wp.max(row - 1, 0), wp.min(row + 2, height)):
            for x in range(wp.max(column - 1, 0), wp.min(column + 2, width)):
                level = int(images[s, y * width + x, channel])
                low = wp.min(low, level)
                high = wp.max(high, level)
        most = wp.max(most, high - low)
    marks[s, row * width + column] = wp.uint8(most > threshold)
